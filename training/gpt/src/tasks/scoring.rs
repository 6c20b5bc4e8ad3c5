//! Scoring of tasks by the engine: greedy answers, and log-likelihoods as lm-eval counts them.

use std::sync::Arc;
use std::sync::mpsc;

use artifact::Sampling;
use artifact::sampling::log_probs::LogProbs;
use engine::{EngineError, GenerationOptions, TextRequest, TextStream};

use super::error::TasksError;
use super::normalize::normalize;
use super::outcome::Outcome;
use super::question::{Continuation, Question};
use super::sinks::{AnswerSink, Found, Likelihood, LikelihoodSink, Report};
use super::task::{Expected, Task};
use crate::chat::Respondent;

/// Tasks that the engine has at once: enough to keep it busy, and few enough to have their prompts in memory.
const BATCH: usize = 64;

/// What becomes of each task.
///
/// Each is one pass of the model for each choice, or one for the right answer and the generation of the model's own. What does
/// not fit into the context has no answer, and so is wrong.
///
/// # Errors
/// If the chat template refuses a task, or ONNX Runtime fails.
pub fn score(respondent: &Respondent, tasks: &[Task]) -> Result<Vec<Outcome>, TasksError> {
    let mut outcomes = Vec::with_capacity(tasks.len());
    for tasks in tasks.chunks(BATCH) {
        let asked: Vec<Asked> =
            tasks.iter().map(|task| Asked::new(task, respondent)).collect::<Result<_, _>>()?;
        let mut found: Vec<FoundOfTask> = asked.iter().map(FoundOfTask::nothing).collect();
        for (name, result) in run(respondent, &asked)? {
            match (name, result) {
                (Name { task, choice: Some(choice) }, Found::Likelihood(likelihood)) => {
                    found[task].likelihoods[choice] = Some(likelihood);
                }
                (Name { task, .. }, Found::Answer(answer)) => found[task].answer = Some(answer),
                (Name { choice: None, .. }, Found::Likelihood(_)) => {} // an answer has no likelihood
            }
        }
        let scored = tasks.iter().zip(found);
        outcomes.extend(scored.map(|(task, found)| Outcome::of(task, found.answer, found.likelihoods)));
    }
    Ok(outcomes)
}

/// A task as what the engine is to do.
struct Asked {
    /// What is to be answered, unless it is a choice.
    generation: Option<Generation>,
    /// The right answer, or each choice.
    continuations: Vec<Scored>,
}

/// A continuation that is scored.
struct Scored {
    /// What is run: the context, and the ids of the continuation but the last, which nothing follows.
    prompt: Vec<u32>,
    /// The position after which it begins.
    start: usize,
    ids: Vec<u32>,
    /// The length of its text.
    bytes: usize,
}

impl Scored {
    fn new(Continuation { context, ids }: Continuation, text: &str) -> Self {
        let prompt = [&context[..], &ids[..ids.len() - 1]].concat();
        Self { prompt, start: context.len() - 1, ids, bytes: text.len() }
    }
}

struct Generation {
    prompt: Vec<u32>,
    stop: Option<&'static str>,
    max_words: usize,
}

impl Asked {
    fn new(task: &Task, respondent: &Respondent) -> Result<Self, TasksError> {
        let question = Question::new(task, respondent);
        let continuation = |text: &String| Ok(Scored::new(question.continuation(text)?, text));
        Ok(match &task.expected {
            Expected::ExactMatch(answer) => Self {
                generation: Some(Generation {
                    prompt: question.prompt()?,
                    stop: question.stop(),
                    max_words: normalize(answer).len(),
                }),
                continuations: vec![continuation(answer)?],
            },
            Expected::MultipleChoice { choices, .. } => Self {
                generation: None,
                continuations: choices.iter().map(continuation).collect::<Result<_, TasksError>>()?,
            },
        })
    }
}

/// What was found of a task.
struct FoundOfTask {
    answer: Option<String>,
    likelihoods: Vec<Option<Likelihood>>,
}

impl FoundOfTask {
    fn nothing(asked: &Asked) -> Self {
        Self { answer: None, likelihoods: vec![None; asked.continuations.len()] }
    }
}

/// What a text of the engine is for: a continuation of a task, or its answer.
#[derive(Clone, Copy)]
struct Name {
    task: usize,
    choice: Option<usize>,
}

/// Runs all that fits into the context, and waits for it.
fn run(respondent: &Respondent, asked: &[Asked]) -> Result<Vec<(Name, Found)>, EngineError> {
    let context_length = respondent.context_length();
    let (sender, receiver) = mpsc::channel();
    let report = |name| Report { name, sender: sender.clone() };
    let mut requests = Vec::new();
    for (task, Asked { generation, continuations }) in asked.iter().enumerate() {
        for (choice, scored) in continuations.iter().enumerate() {
            if scored.prompt.len() <= context_length {
                requests.push(likelihood(scored, report(Name { task, choice: Some(choice) })));
            }
        }
        if let Some(generation) = generation
            && generation.prompt.len() < context_length
        {
            requests.push(answer(respondent, generation, report(Name { task, choice: None })));
        }
    }
    let count = requests.len();
    respondent.engine().submit(requests)?;
    drop(sender);
    let found: Vec<_> =
        receiver.iter().map(|(name, found)| Ok((name, found?))).collect::<Result<_, EngineError>>()?;
    // What has ended without a report has ended with the engine's thread.
    if found.len() == count { Ok(found) } else { Err(EngineError::Ended) }
}

fn likelihood(scored: &Scored, report: Report<Name>) -> TextRequest<'_> {
    let sink = LikelihoodSink {
        report,
        start: scored.start,
        ids: scored.ids.clone(),
        bytes: scored.bytes,
        log_probs: LogProbs::default(),
        sum: 0.0,
    };
    let options = GenerationOptions { reads_prompt: true, ..GenerationOptions::new(0, Sampling::Greedy, 0) };
    TextRequest { prompt: &scored.prompt, options, sink: Box::new(sink) }
}

fn answer<'a>(
    respondent: &Respondent,
    Generation { prompt, stop, max_words }: &'a Generation,
    report: Report<Name>,
) -> TextRequest<'a> {
    let stops = stop.map(str::to_owned).into_iter().collect();
    let sink = AnswerSink {
        report,
        stream: TextStream::new(Arc::clone(respondent.tokenizer()), stops),
        text: String::new(),
        max_words: *max_words,
    };
    let max_tokens = respondent.context_length() - prompt.len();
    let options = GenerationOptions {
        stop_ids: respondent.stop_ids().to_vec(),
        ..GenerationOptions::new(max_tokens, Sampling::Greedy, 0)
    };
    TextRequest { prompt, options, sink: Box::new(sink) }
}
