//! Speculative decoding: cheap guesses at the next tokens (drafts), which the model verifies several at a time.
//!
//! A small model trained on a small corpus quotes it, so the corpus itself often knows how the text
//! goes on. Running the model on several positions at once costs little more than on one. At every
//! drafted position the next token is drawn from the model's own distribution, exactly as without a
//! draft; a guess that equals what is drawn has saved a run, and at the first that does not, the
//! rest of the draft is thrown away. For a draft without randomness this is speculative sampling
//! (Leviathan, Kalman and Matias, "Fast Inference from Transformers via Speculative Decoding", 2023,
//! <https://arxiv.org/abs/2211.17192>): a guess is accepted with the probability that the model gives
//! it, and the output has the model's distribution.

use artifact::draft::{self, DraftIndex};
use artifact::manifest::Precision;

use crate::kernel_set::Kernels;

/// Guesses how a text goes on.
pub trait Drafter: Send {
    /// Appends at most `max` ids to `drafted`: a guess at those that follow `recent`.
    fn draft(&self, recent: &[u32], max: usize, drafted: &mut Vec<u32>);
}

/// Guesses from where the end of the text occurs in the corpus that the model was trained on, or in
/// the text itself: see [`artifact::draft`].
pub struct CorpusDrafter {
    /// The corpus, if the model's version has it.
    pub index: Option<DraftIndex>,
    /// The id between documents, if there is one: a guess does not reach beyond it.
    pub end_of_text: Option<u32>,
}

impl Drafter for CorpusDrafter {
    fn draft(&self, recent: &[u32], max: usize, drafted: &mut Vec<u32>) {
        draft::draft(self.index.as_ref(), self.end_of_text, recent, max, drafted);
    }
}

/// The longest draft.
pub(crate) const MAX_DRAFT: usize = 5;

/// Costs of passes of several positions, in passes of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunCosts {
    /// Of 1, 2, … positions.
    first: [f64; MAX_DRAFT + 1],
    /// Of each position more: arithmetic, behind which the way of the weights from memory does not hide any longer.
    further: f64,
}

impl RunCosts {
    fn of(&self, positions: usize) -> f64 {
        let measured = positions.clamp(1, self.first.len());
        self.first[measured - 1] + (positions - measured) as f64 * self.further
    }
}

/// Measured on a model of 162 million parameters, the first ones on one thread. ONNX Runtime's own kernels for int4
/// weights (w4) are bound by arithmetic soon; ours for AVX2 read the weights, int4 or int8 (w8), once more from the fifth
/// position on.
pub(crate) fn run_costs(precision: Precision, kernels: Kernels) -> RunCosts {
    let (first, further) = match (precision, kernels) {
        (Precision::W4 | Precision::W8, Kernels::Avx512) => ([1.0, 1.03, 1.1, 1.16, 1.23, 1.31], 0.15),
        (Precision::W4 | Precision::W8, Kernels::Avx2) => ([1.0, 1.05, 1.15, 1.35, 1.8, 1.95], 0.2),
        (Precision::W4, Kernels::OnnxRuntime) => ([1.0, 1.3, 1.85, 2.25, 2.8, 3.4], 0.5),
        (Precision::W8, Kernels::OnnxRuntime) => ([1.0, 1.05, 1.4, 1.6, 1.9, 2.3], 0.3),
        (Precision::Float32 | Precision::Other, _) => ([1.0, 1.07, 1.15, 1.24, 1.3, 1.34], 0.07),
    };
    RunCosts { first, further }
}

/// The gain that a draft must promise to be worth its run.
const WORTHWHILE: f64 = 1.05;
/// The acceptance rate that is assumed before there was any text.
pub(crate) const PRIOR_ACCEPTANCE: f64 = 0.7;
/// The number of guesses that what is assumed of a text counts as.
const PRIOR_WEIGHT: f64 = 4.0;
/// With each verification, older evidence counts for so much less.
const DECAY: f64 = 0.9;
/// After so many passes in which no text drafted, one tries again.
const RETRY_PASSES: usize = 16;

/// Adaptive draft length, from the acceptance rate in this text: by counts and never by clocks, so that what a text does
/// can be repeated.
pub(crate) struct DraftLength {
    costs: RunCosts,
    /// The length of all drafts, in place of the one that pays.
    fixed: Option<usize>,
    judged: f64,
    accepted: f64,
}

/// Tokens of texts that have gone by since one of them drafted.
pub(crate) type TokensWithout = usize;

impl DraftLength {
    /// Assumes an acceptance rate until there is evidence.
    pub(crate) fn new(costs: RunCosts, fixed: Option<usize>, acceptance: f64) -> Self {
        let accepted = PRIOR_WEIGHT * acceptance;
        Self { costs, fixed, judged: PRIOR_WEIGHT, accepted }
    }

    /// The acceptance rate, by the evidence so far.
    pub(crate) fn acceptance(&self) -> f64 {
        self.accepted / self.judged
    }

    /// The draft length with the most tokens for the price of the pass, if each of the `texts` that share it drafts as
    /// many; 0 where drafting does not pay, but now and then 1, to see whether it does: `without` counts for all texts that
    /// learn from each other.
    pub(crate) fn next(&self, texts: usize, without: &mut TokensWithout) -> usize {
        if let Some(length) = self.fixed {
            return length;
        }
        let acceptance = self.acceptance();
        let alone = self.costs.of(texts);
        let gain = |length: usize| {
            // The pass gives one token, and one more for each guess accepted up to the first that is not.
            let tokens: f64 = (0..=length).map(|guesses| acceptance.powi(guesses as i32)).sum();
            tokens * alone / self.costs.of(texts * (1 + length))
        };
        let best = (1..=MAX_DRAFT).max_by(|&a, &b| gain(a).total_cmp(&gain(b))).unwrap_or(0);
        *without += 1;
        let pays = gain(best) >= WORTHWHILE;
        // One more than the passes have, so that each text has its turn.
        if !pays && *without <= RETRY_PASSES * texts {
            return 0;
        }
        *without = 0;
        if pays { best } else { 1 }
    }

    /// Takes note of a draft of `drafted` ids of which the first `accepted` were right.
    pub(crate) fn record(&mut self, drafted: usize, accepted: usize) {
        let judged = accepted + usize::from(accepted < drafted);
        self.judged = DECAY * self.judged + judged as f64;
        self.accepted = DECAY * self.accepted + accepted as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each position costs half a run more.
    const DEAR: RunCosts = RunCosts { first: [1.0, 1.5, 2.0, 2.5, 3.0, 3.5], further: 0.5 };

    fn adaptive(costs: RunCosts) -> DraftLength {
        DraftLength::new(costs, None, PRIOR_ACCEPTANCE)
    }

    #[test]
    fn drafts_far_where_all_guesses_are_right() {
        for (precision, kernels) in [
            (Precision::W4, Kernels::Avx512),
            (Precision::W4, Kernels::Avx2),
            (Precision::W4, Kernels::OnnxRuntime),
            (Precision::W8, Kernels::OnnxRuntime),
        ] {
            let mut length = adaptive(run_costs(precision, kernels));
            for _ in 0..30 {
                length.record(4, 4);
            }
            assert!(length.next(1, &mut 0) >= 4, "{precision}");
        }
    }

    /// Positions cost 0.1 each: 8 texts without drafts cost 1.7, with drafts of 1 2.5, of 2 3.3, of 5 5.7. If 9 of 10
    /// guesses are right, those are 1.9, 2.71 and 4.69 tokens each: 1.29, 1.40 and 1.40 times as many for the price.
    /// If half of them are, 1.5 and 1.75: 1.02 and 0.90 times as many, which is not worth it.
    #[test]
    fn texts_that_share_a_pass_draft_less() {
        let costs = RunCosts { first: [1.0, 1.1, 1.2, 1.3, 1.4, 1.5], further: 0.1 };
        assert!((costs.of(8) - 1.7).abs() < 1e-9 && (costs.of(48) - 5.7).abs() < 1e-9);
        let with_acceptance = |accepted: usize, drafted: usize| {
            let mut length = adaptive(costs);
            (0..200).for_each(|i| length.record(1, usize::from(i % drafted < accepted)));
            length
        };
        assert!(with_acceptance(9, 10).next(8, &mut 0) >= 2);
        assert_eq!(with_acceptance(1, 2).next(8, &mut 0), 0);
        assert!(with_acceptance(1, 2).next(1, &mut 0) >= 1);
    }

    /// At an acceptance of 0, a draft of 1 gives 1 token for more than one run.
    #[test]
    fn stops_where_guesses_are_wrong_and_tries_again_later() {
        let mut length = adaptive(DEAR);
        for _ in 0..50 {
            length.record(1, 0);
        }
        for texts in [1, 3] {
            let (mut without, tries) = (0, RETRY_PASSES * texts + 1);
            let drafts: Vec<usize> = (0..3 * tries).map(|_| length.next(texts, &mut without)).collect();
            assert_eq!(drafts.iter().sum::<usize>(), 3, "{drafts:?}");
            assert!(drafts.iter().skip(tries - 1).step_by(tries).all(|&draft| draft == 1), "{drafts:?}");
        }
        for _ in 0..40 {
            length.record(1, 1);
        }
        assert!(length.next(1, &mut 0) > 1, "it drafts again");
    }

    /// Drafts that cost half a run each pay from an acceptance of 0.575 on.
    #[test]
    fn begins_with_what_is_assumed_of_the_text() {
        assert_eq!(DraftLength::new(DEAR, None, 0.4).next(1, &mut 0), 0);
        assert!(DraftLength::new(DEAR, None, 0.9).next(1, &mut 0) > 0);
        let mut fixed = DraftLength::new(DEAR, Some(3), 0.4);
        (0..9).for_each(|_| fixed.record(3, 0));
        assert_eq!(fixed.next(8, &mut 0), 3);
        assert!(fixed.acceptance() < 0.1);
    }

    /// Acceptance 1/2: lengths 1 to 5 promise 1.5/1.05, 1.75/1.4, 1.875/1.6, 1.94/1.9 and 1.97/2.3.
    #[test]
    fn weighs_tokens_against_the_cost_of_the_run() {
        let mut length = adaptive(RunCosts { first: [1.0, 1.05, 1.4, 1.6, 1.9, 2.3], further: 0.3 });
        for _ in 0..100 {
            length.record(2, 1); // one of two that are judged
        }
        assert_eq!(length.next(1, &mut 0), 1);
    }
}
