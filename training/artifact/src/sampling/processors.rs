//! Logits processors: logit bias, suppressed ids, and repetition, frequency and presence penalties.
//!
//! They change a row of logits before a rule draws from it, in the order in which vLLM does:
//!
//! 1. suppressed ids become impossible, and the logit bias is added;
//! 2. the repetition penalty divides or multiplies (Keskar et al., "CTRL: A Conditional Transformer Language Model
//!    for Controllable Generation", 2019), over the prompt and the text;
//! 3. the frequency and presence penalties are subtracted (OpenAI's API), over the text alone;
//! 4. then come temperature, min-p, top-k and top-p, see [`Sampling`](super::Sampling).
//!
//! All of it depends on ids that were chosen before and on nothing else, so a text is the same with and without drafts.

use std::collections::HashMap;

/// Changes to the logits of a step; by default none.
#[derive(Clone, Debug, PartialEq)]
pub struct LogitsProcessors {
    /// Added to the logits of these ids.
    pub logit_bias: Vec<(u32, f32)>,
    /// Ids that are impossible among the first so many tokens of a text.
    pub suppressed: Vec<(u32, usize)>,
    /// Above 0; 1 is off. Divides positive logits of ids that occur in the prompt or the text, and multiplies negative
    /// ones.
    pub repetition_penalty: f32,
    /// Subtracted for each time that an id occurs in the text; 0 is off.
    pub frequency_penalty: f32,
    /// Subtracted once for an id that occurs in the text; 0 is off.
    pub presence_penalty: f32,
}

impl Default for LogitsProcessors {
    fn default() -> Self {
        Self {
            logit_bias: Vec::new(),
            suppressed: Vec::new(),
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
        }
    }
}

impl LogitsProcessors {
    /// Whether they change nothing.
    pub fn are_off(&self) -> bool {
        *self == Self::default()
    }
}

/// Processors with the ids that they have seen.
pub(super) struct Processing {
    processors: LogitsProcessors,
    /// How often each id occurs in the text; 0 for those of the prompt alone.
    occurrences: HashMap<u32, u32>,
    /// Number of tokens of the text.
    tokens: usize,
    /// The changed row, kept between steps to spare the allocation.
    logits: Vec<f32>,
}

impl Processing {
    /// Processors of a text that follows `prompt`.
    pub(super) fn new(processors: LogitsProcessors, prompt: &[u32]) -> Self {
        let of_prompt = if processors.repetition_penalty == 1.0 { &[] } else { prompt };
        let occurrences = of_prompt.iter().map(|&id| (id, 0)).collect();
        Self { processors, occurrences, tokens: 0, logits: Vec::new() }
    }

    /// The changed logits; ids that the row does not have are passed over.
    pub(super) fn apply(&mut self, logits: &[f32]) -> &[f32] {
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        let Self { processors, occurrences, tokens, logits } = self;
        for &(id, first_tokens) in &processors.suppressed {
            if *tokens < first_tokens {
                change(logits, id, |_| f32::NEG_INFINITY);
            }
        }
        for &(id, bias) in &processors.logit_bias {
            change(logits, id, |logit| logit + bias);
        }
        for (&id, &times) in occurrences.iter() {
            let repetition = processors.repetition_penalty;
            let presence = if times > 0 { processors.presence_penalty } else { 0.0 };
            change(logits, id, |logit| {
                let logit = if logit > 0.0 { logit / repetition } else { logit * repetition };
                logit - processors.frequency_penalty * times as f32 - presence
            });
        }
        logits
    }

    /// Takes note of the id that was chosen.
    pub(super) fn record(&mut self, id: u32) {
        self.tokens += 1;
        *self.occurrences.entry(id).or_insert(0) += 1;
    }
}

fn change(logits: &mut [f32], id: u32, change: impl FnOnce(f32) -> f32) {
    if let Some(logit) = logits.get_mut(id as usize) {
        *logit = change(*logit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMPOSSIBLE: f32 = f32::NEG_INFINITY;

    /// By hand, on logits [2, -2, 1, 0] after the prompt [0] and the text [1, 1].
    #[test]
    fn equal_their_definitions() {
        let changed = |processors| {
            let mut processing = Processing::new(processors, &[0]);
            processing.record(1);
            processing.record(1);
            processing.apply(&[2.0, -2.0, 1.0, 0.0]).to_vec()
        };
        let off = LogitsProcessors::default;
        assert!(off().are_off());
        assert_eq!(changed(off()), [2.0, -2.0, 1.0, 0.0]);
        assert_eq!(
            changed(LogitsProcessors { repetition_penalty: 2.0, ..off() }),
            [1.0, -4.0, 1.0, 0.0],
            "of the prompt and the text"
        );
        assert_eq!(changed(LogitsProcessors { frequency_penalty: 0.5, ..off() }), [2.0, -3.0, 1.0, 0.0]);
        assert_eq!(changed(LogitsProcessors { presence_penalty: 0.5, ..off() }), [2.0, -2.5, 1.0, 0.0]);
        let biases = vec![(3, 5.0), (2, -1.5), (9, 1.0)];
        assert_eq!(changed(LogitsProcessors { logit_bias: biases, ..off() }), [2.0, -2.0, -0.5, 5.0]);
        // Two tokens have been chosen: the id 0 is possible again, the id 2 not yet.
        let suppressed = vec![(0, 2), (2, 3)];
        assert_eq!(changed(LogitsProcessors { suppressed, ..off() }), [2.0, -2.0, IMPOSSIBLE, 0.0]);
    }

    /// -2 + 3 = 1, / 2 = 0.5, - 2 · 0.25 - 1 = -1: the bias before the penalties, the repetition penalty before the
    /// others. What is impossible stays so.
    #[test]
    fn act_in_their_order() {
        let processors = LogitsProcessors {
            logit_bias: vec![(1, 3.0), (2, 100.0)],
            suppressed: vec![(2, usize::MAX)],
            repetition_penalty: 2.0,
            frequency_penalty: 0.25,
            presence_penalty: 1.0,
        };
        let mut processing = Processing::new(processors, &[2]);
        processing.record(1);
        processing.record(1);
        assert_eq!(processing.apply(&[0.0, -2.0, 1.0]), [0.0, -1.0, IMPOSSIBLE]);
    }
}
