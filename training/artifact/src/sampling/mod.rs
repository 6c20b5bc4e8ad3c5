//! Sampling of the next token id from logits: penalties and bias, greedy, temperature, min-p, top-k, top-p (nucleus).
//!
//! Fan et al., "Hierarchical Neural Story Generation" (2018) for top-k; Holtzman et al., "The Curious
//! Case of Neural Text Degeneration" (2020) for top-p; Nguyen et al., "Turning Up the Heat: Min-p Sampling for
//! Creative and Coherent LLM Outputs" (2025) for min-p. Training (for its sample texts) and serving use
//! this one implementation.
//!
//! - [`processors`]: what is done to logits before, and the order of all steps;
//! - `ranking`: the most likely ids of a row, without sorting the vocabulary;
//! - [`log_probs`]: log-probabilities of the chosen and the most likely ids.
//!
//! A logit that is no number (NaN) is never chosen and counts for nothing.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use processors::Processing;
use ranking::{Ranking, first_of_largest, largest};

pub use processors::LogitsProcessors;

pub mod log_probs;
pub mod processors;
mod ranking;
#[cfg(test)]
mod tests;

/// Number of most likely ids that are ranked first for a nucleus; [`NUCLEUS_GROWTH`] times as
/// many if that is not enough.
const FIRST_NUCLEUS: usize = 64;
const NUCLEUS_GROWTH: usize = 8;

/// Rule by which the next token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampling {
    /// The most likely token; of equally likely ones, that with the smallest id.
    Greedy,
    /// A draw from `softmax(logits / temperature)`.
    Random {
        /// Above 0. Below 1 sharpens the distribution, above 1 flattens it.
        temperature: f32,
        /// Draw among the tokens only that are at least so likely as the most likely one times this, from
        /// 0, which is all of them, to 1.
        min_p: f32,
        /// Draw among the `top_k` most likely tokens only; `None` is all of them.
        top_k: Option<usize>,
        /// Of these, draw among the fewest most likely ones that together have this probability,
        /// from 0 to 1, and at least one; `None` is all of them.
        top_p: Option<f32>,
    },
}

impl Sampling {
    /// The rule for a temperature, where 0 means greedy, and a `top_k`, where `None` means all.
    pub fn new(temperature: f32, top_k: Option<usize>) -> Self {
        if temperature == 0.0 {
            return Self::Greedy;
        }
        Self::Random { temperature, min_p: 0.0, top_k, top_p: None }
    }

    /// The same rule with a `top_p`, where `None` means all. Greedy stays greedy.
    #[must_use]
    pub fn with_top_p(self, top_p: Option<f32>) -> Self {
        match self {
            Self::Greedy => Self::Greedy,
            Self::Random { temperature, min_p, top_k, .. } => {
                Self::Random { temperature, min_p, top_k, top_p }
            }
        }
    }

    /// The same rule with a `min_p`, where 0 means all. Greedy stays greedy.
    #[must_use]
    pub fn with_min_p(self, min_p: f32) -> Self {
        match self {
            Self::Greedy => Self::Greedy,
            Self::Random { temperature, top_k, top_p, .. } => {
                Self::Random { temperature, min_p, top_k, top_p }
            }
        }
    }
}

/// A sampling rule and its random state: the same seed and logits give the same ids on every
/// machine.
pub struct Sampler {
    sampling: Sampling,
    random: ChaCha8Rng,
    /// Number of ids to choose from, the first ones.
    choices: usize,
    /// `None` if all of it is off.
    processing: Option<Processing>,
    ranking: Ranking,
    /// Unnormalized probabilities, kept between calls to spare the allocation.
    weights: Vec<f64>,
}

impl Sampler {
    /// A sampler whose draws are fixed by `seed`.
    pub fn new(sampling: Sampling, seed: u64) -> Self {
        Self {
            sampling,
            random: ChaCha8Rng::seed_from_u64(seed),
            choices: usize::MAX,
            processing: None,
            ranking: Ranking::default(),
            weights: Vec::new(),
        }
    }

    /// Chooses among the first `choices` ids only: a vocabulary that is filled up to a round number has ids that
    /// the tokenizer does not know.
    #[must_use]
    pub fn among(mut self, choices: usize) -> Self {
        self.choices = choices.max(1);
        self
    }

    /// Has `processors` change the logits of every step of a text that follows `prompt`.
    #[must_use]
    pub fn processed(mut self, processors: &LogitsProcessors, prompt: &[u32]) -> Self {
        self.processing = (!processors.are_off()).then(|| Processing::new(processors.clone(), prompt));
        self
    }

    /// Chooses the next token id of the text from `logits` of shape `[vocab_size]`, which must not be empty.
    ///
    /// A random rule takes exactly one random number per call, and greedy none: sampling at several
    /// positions at once gives the same ids as one after the other.
    pub fn sample(&mut self, logits: &[f32]) -> u32 {
        let logits = &logits[..logits.len().min(self.choices)];
        let Some(mut processing) = self.processing.take() else { return self.choose(logits) };
        let id = self.choose(processing.apply(logits));
        processing.record(id);
        self.processing = Some(processing);
        id
    }

    /// Chooses from logits as they are.
    fn choose(&mut self, logits: &[f32]) -> u32 {
        match self.sampling {
            Sampling::Greedy => first_of_largest(logits),
            Sampling::Random { temperature, min_p, top_k, top_p } => {
                let uniform = self.random.random();
                self.draw(logits, Temper { temperature, min_p }, top_k, top_p, uniform)
                    // Only rounding leads here, or logits without a finite maximum.
                    .unwrap_or_else(|| first_of_largest(logits))
            }
        }
    }

    /// The id at the fraction `uniform` of the distribution.
    fn draw(
        &mut self,
        logits: &[f32],
        temper: Temper,
        top_k: Option<usize>,
        top_p: Option<f32>,
        uniform: f64,
    ) -> Option<u32> {
        let top_k = top_k.filter(|k| (1..logits.len()).contains(k));
        match (top_k, top_p.filter(|&p| p < 1.0)) {
            (None, None) => {
                let tempered = temper.from(largest(logits));
                self.weights.clear();
                self.weights.extend(logits.iter().map(|&logit| tempered.weight(logit)));
                return pick(&self.weights, uniform).map(|index| index as u32);
            }
            (Some(k), None) => self.weigh_best(logits, temper, k),
            (Some(k), Some(p)) => {
                self.weigh_best(logits, temper, k);
                let total: f64 = self.weights.iter().sum();
                self.cut_after(f64::from(p) * total);
            }
            (None, Some(p)) => {
                let tempered = temper.from(largest(logits));
                let total: f64 = logits.iter().map(|&logit| tempered.weight(logit)).sum();
                let mut count = FIRST_NUCLEUS;
                self.weigh_best(logits, temper, count);
                while !self.cut_after(f64::from(p) * total) && count < logits.len() {
                    count *= NUCLEUS_GROWTH;
                    self.weigh_best(logits, temper, count);
                }
            }
        }
        pick(&self.weights, uniform).map(|index| self.ranking.ids()[index])
    }

    /// Ranks the `count` most likely ids and weighs them. The first of them has the largest logit, so that the row need
    /// not be read for that.
    fn weigh_best(&mut self, logits: &[f32], temper: Temper, count: usize) {
        self.ranking.select(logits, count);
        let first = self.ranking.ids().first();
        let tempered = temper.from(first.map_or(f32::NEG_INFINITY, |&id| logits[id as usize]));
        self.weights.clear();
        self.weights.extend(self.ranking.ids().iter().map(|&id| tempered.weight(logits[id as usize])));
    }

    /// Keeps the first weights that together reach `mass`, at least one; false if they do not.
    fn cut_after(&mut self, mass: f64) -> bool {
        let mut sum = 0.0;
        let reaching = self.weights.iter().position(|weight| {
            sum += weight;
            sum >= mass
        });
        self.weights.truncate(reaching.map_or(self.weights.len(), |last| last + 1));
        reaching.is_some()
    }
}

/// What makes weights of logits.
#[derive(Clone, Copy)]
struct Temper {
    temperature: f32,
    /// Smaller weights count as 0; that of the largest logit is 1.
    min_p: f32,
}

impl Temper {
    /// Of a row with this largest logit.
    fn from(self, max: f32) -> Tempered {
        let Self { temperature, min_p } = self;
        Tempered { max, temperature, min_p }
    }
}

/// The softmax of a row at a temperature, before it is normalized.
#[derive(Clone, Copy)]
struct Tempered {
    /// Largest logit. Subtracting it keeps exp() finite at any temperature.
    max: f32,
    temperature: f32,
    min_p: f32,
}

impl Tempered {
    fn weight(self, logit: f32) -> f64 {
        // f64::max() makes 0 of NaN.
        let weight = f64::from((logit - self.max) / self.temperature).exp().max(0.0);
        if weight < f64::from(self.min_p) { 0.0 } else { weight }
    }
}

/// Index of the weight at the fraction `uniform` of their sum.
fn pick(weights: &[f64], uniform: f64) -> Option<usize> {
    let mut remaining = uniform * weights.iter().sum::<f64>();
    weights.iter().position(|weight| {
        remaining -= weight;
        remaining < 0.0
    })
}
