//! Outcomes of tasks, and the figures of all of them.

use std::f64::consts::LN_2;

use serde::Serialize;

use super::normalize::normalize;
use super::sinks::Likelihood;
use super::task::{Expected, Task};

/// What became of a task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Its number in the file.
    pub number: usize,
    /// The right answer.
    pub expected: String,
    /// What the model says, or the choice that it finds the most likely; none if the task does not fit into its context.
    pub found: Option<String>,
    /// Whether they are the same, after [normalisation](normalize) of what it says.
    pub is_right: bool,
    /// Likelihood of the right answer; none if it does not fit into the context.
    pub likelihood: Option<Likelihood>,
    /// What a choice has besides.
    #[serde(flatten)]
    pub choice: Option<ChoiceOutcome>,
}

/// What becomes of a choice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChoiceOutcome {
    /// Whether the right one has the highest log-likelihood per byte, too.
    pub is_right_per_byte: bool,
    /// The log-likelihood of each.
    pub log_likelihoods: Vec<f64>,
}

impl Outcome {
    /// The outcome of a task with what was found of it: an answer, or the likelihoods of all choices.
    pub(super) fn of(task: &Task, answer: Option<String>, likelihoods: Vec<Option<Likelihood>>) -> Self {
        let (number, expected) = (task.number, task.expected.text().to_owned());
        match &task.expected {
            Expected::ExactMatch(right) => {
                let is_right = answer.as_ref().is_some_and(|found| normalize(found) == normalize(right));
                let found = answer.map(|found| found.trim().to_owned());
                let likelihood = likelihoods.into_iter().next().flatten();
                Self { number, expected, found, is_right, likelihood, choice: None }
            }
            Expected::MultipleChoice { choices, answer } => {
                let Some(all) = likelihoods.into_iter().collect::<Option<Vec<Likelihood>>>() else {
                    return Self {
                        number,
                        expected,
                        found: None,
                        is_right: false,
                        likelihood: None,
                        choice: None,
                    };
                };
                let best = highest(all.iter().map(|choice| choice.log_likelihood));
                let per_byte = highest(all.iter().map(|choice| choice.log_likelihood / choice.bytes as f64));
                Self {
                    number,
                    expected,
                    found: choices.get(best).cloned(),
                    is_right: best == *answer,
                    likelihood: all.get(*answer).copied(),
                    choice: Some(ChoiceOutcome {
                        is_right_per_byte: per_byte == *answer,
                        log_likelihoods: all.iter().map(|choice| choice.log_likelihood).collect(),
                    }),
                }
            }
        }
    }
}

/// The index of the first of the highest values. What is no number is the lowest.
fn highest(values: impl Iterator<Item = f64>) -> usize {
    let values = values.map(|value| if value.is_nan() { f64::NEG_INFINITY } else { value }).enumerate();
    let best = values.reduce(|best, other| if other.1 > best.1 { other } else { best });
    best.map_or(0, |(index, _)| index)
}

/// Figures of many tasks; none of those of which there are no tasks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Tasks whose answer the model is to say.
    pub exact_match_tasks: usize,
    /// Tasks with choices.
    pub multiple_choice_tasks: usize,
    /// Tasks that do not fit into the model's context, and so are wrong.
    pub too_long: usize,
    /// Share of right answers.
    pub exact_match: Option<f64>,
    /// Share of choices whose right one has the highest log-likelihood.
    pub acc: Option<f64>,
    /// The same with log-likelihoods per byte.
    pub acc_norm: Option<f64>,
    /// Mean log-likelihood of the right answers, nats per token.
    pub log_likelihood: Option<f64>,
    /// What the right answers take, bits per byte.
    pub bits_per_byte: Option<f64>,
    /// Share of tasks with the right outcome, by exact match or `acc`: what the promotion gate compares.
    pub score: f64,
}

impl Figures {
    /// The figures of some tasks, which have these outcomes.
    pub fn of(tasks: &[Task], outcomes: &[Outcome]) -> Self {
        let (mut exact, mut choices, mut per_byte) = (Vec::new(), Vec::new(), Vec::new());
        for (task, outcome) in tasks.iter().zip(outcomes) {
            match task.expected {
                Expected::ExactMatch(_) => exact.push(outcome.is_right),
                Expected::MultipleChoice { .. } => {
                    choices.push(outcome.is_right);
                    per_byte.push(outcome.choice.as_ref().is_some_and(|choice| choice.is_right_per_byte));
                }
            }
        }
        let (mut nats, mut tokens, mut bytes) = (0.0, 0, 0);
        for likelihood in outcomes.iter().filter_map(|outcome| outcome.likelihood) {
            nats += likelihood.log_likelihood;
            tokens += likelihood.tokens;
            bytes += likelihood.bytes;
        }
        let is_right: Vec<bool> = outcomes.iter().map(|outcome| outcome.is_right).collect();
        Self {
            exact_match_tasks: exact.len(),
            multiple_choice_tasks: choices.len(),
            too_long: outcomes.iter().filter(|outcome| outcome.found.is_none()).count(),
            exact_match: share(&exact),
            acc: share(&choices),
            acc_norm: share(&per_byte),
            log_likelihood: (tokens > 0).then(|| nats / tokens as f64),
            bits_per_byte: (bytes > 0).then(|| -nats / (bytes as f64 * LN_2)),
            score: share(&is_right).unwrap_or(0.0),
        }
    }
}

/// The share of what is true; none of nothing.
fn share(outcomes: &[bool]) -> Option<f64> {
    let right = outcomes.iter().filter(|&&is_right| is_right).count();
    (!outcomes.is_empty()).then(|| right as f64 / outcomes.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::super::task::Prompt;
    use super::*;

    fn task(expected: Expected) -> Task {
        Task { number: 1, prompt: Prompt::Text("?".to_owned()), expected }
    }

    fn likelihood(log_likelihood: f64, tokens: usize, bytes: usize) -> Option<Likelihood> {
        Some(Likelihood { log_likelihood, tokens, bytes })
    }

    fn exact(answer: Option<&str>) -> (Task, Outcome) {
        let task = task(Expected::ExactMatch("The cat".to_owned()));
        let outcome = Outcome::of(&task, answer.map(str::to_owned), vec![likelihood(-3.0, 2, 7)]);
        (task, outcome)
    }

    /// The short choice has the higher sum, the long one the higher mean: -2 for 1 byte, -3 for 6.
    fn choice(answer: usize) -> (Task, Outcome) {
        let choices = ["x", "yyyyyy"].map(str::to_owned).to_vec();
        let task = task(Expected::MultipleChoice { choices, answer });
        let outcome = Outcome::of(&task, None, vec![likelihood(-2.0, 1, 1), likelihood(-3.0, 2, 6)]);
        (task, outcome)
    }

    #[test]
    fn an_answer_is_right_after_normalisation() {
        let (_, right) = exact(Some(" cat.\n"));
        assert!(right.is_right && right.found.as_deref() == Some("cat."));
        assert!(!exact(Some("dog")).1.is_right && !exact(None).1.is_right);
    }

    #[test]
    fn a_choice_is_right_by_its_sum_and_per_byte() {
        let (_, short) = choice(0);
        assert_eq!((short.is_right, short.found.as_deref()), (true, Some("x")));
        let of_choice = |outcome: &Outcome| outcome.choice.clone().unwrap();
        assert!(!of_choice(&short).is_right_per_byte);
        let (_, long) = choice(1);
        assert_eq!((long.is_right, long.found.as_deref()), (false, Some("x")));
        assert!(of_choice(&long).is_right_per_byte);
        assert_eq!(of_choice(&long).log_likelihoods, [-2.0, -3.0]);
        assert_eq!(highest([f64::NAN, -1.0, -1.0].into_iter()), 1);
    }

    /// Two of four are right. The right answers take 3 + 3 + 2 + 3 nats in 2 + 2 + 1 + 2 tokens and 7 + 7 + 1 + 6 bytes.
    #[test]
    fn figures_are_of_all_tasks() {
        let (tasks, outcomes): (Vec<_>, Vec<_>) =
            [exact(Some("cat")), exact(None), choice(0), choice(1)].into_iter().unzip();
        let figures = Figures::of(&tasks, &outcomes);
        assert_eq!((figures.exact_match_tasks, figures.multiple_choice_tasks, figures.too_long), (2, 2, 1));
        assert_eq!((figures.exact_match, figures.acc, figures.acc_norm), (Some(0.5), Some(0.5), Some(0.5)));
        assert_eq!((figures.log_likelihood, figures.score), (Some(-11.0 / 7.0), 0.5));
        assert!((figures.bits_per_byte.unwrap() - 11.0 / LN_2 / 21.0).abs() < 1e-12);
        let none = Figures::of(&tasks[..1], &outcomes[..1]);
        assert_eq!((none.exact_match, none.acc, none.acc_norm), (Some(1.0), None, None));
    }
}
