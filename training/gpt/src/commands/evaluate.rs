//! `gpt evaluate`: loss of a model and its exports on a text, and what it makes of tasks.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use artifact::manifest::Precision;
use clap::Args;
use gpt::corpus::Corpus;
use gpt::release::export::Export;
use gpt::release::respondent::{exports_to_ask, respondent};
use gpt::release::source::downloads;
use gpt::release::{Judgement, ModelSource};
use gpt::tasks::report::ScoredExport;
use gpt::tasks::{self, Task, TaskReport};
use serde_json::{Value, json};

use super::corpus_arguments::TextArguments;
use super::device_argument::DeviceArgument;
use super::model_argument::ModelArgument;

/// Arguments of `gpt evaluate`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    pub model: ModelArgument,
    #[command(flatten)]
    pub text: TextArguments,
    /// Tasks with known answers: JSON Lines or a JSON array.
    ///
    /// Each line has a prompt, question or instruction, perhaps an input, and an answer, output, completion or response. The model is
    /// to say it: asked by its chat template if it has one, greedily, up to the end of the answer; without a template it
    /// continues the prompt to the end of the line. Two answers are the same if they differ in case, punctuation, articles
    /// (a, an, the) and white space alone, as in SQuAD. With choices, and the index or the text of the right one as the
    /// answer, it is to find that the most likely: acc counts the sum of the log-likelihoods of its tokens, acc_norm
    /// their sum per byte, as in lm-eval. Or a line has messages, of which the last is the assistant's answer.
    ///
    /// Scored are the export that serving chooses, and the float32 one.
    #[arg(long, value_name = "FILE")]
    pub tasks: Option<PathBuf>,
    /// Print the first tasks that went wrong, at most so many, with what was expected and found.
    #[arg(long, value_name = "N", requires = "tasks", conflicts_with = "json")]
    pub show: Option<usize>,
    /// Print JSON instead of a table, with the outcome of each task.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub device: DeviceArgument,
}

/// Prints loss, bits per byte and perplexity of the model and of each of its exports, and how far each export is
/// from the model; and the share of tasks that exports do right.
///
/// # Errors
/// If the model, the text or the tasks cannot be read.
pub async fn run(arguments: Arguments) -> Result<()> {
    let device = arguments.device.open()?;
    let tasks = arguments.tasks.as_deref().map(tasks::read).transpose()?;
    let source = arguments.model.find(&device).await?;
    let text = arguments.text.load(source.tokenizer().await?.as_ref())?;
    ensure!(
        text.is_some() || tasks.is_some(),
        "there is nothing to evaluate the model on: pass --corpus for texts or --tasks for questions"
    );
    let (corpus, text) = text.unzip();
    let downloads = downloads()?;
    let exports = source.exports(corpus.as_ref(), downloads.path()).await?;
    let asked = exports_to_ask(&exports);
    let judgement = match &text {
        Some(text) => {
            Some(Judgement::of(&source.gpt(&device, downloads.path()).await?, exports, Some(text))?)
        }
        None => {
            drop(exports); // their memory is that of the engines
            None
        }
    };
    let report = match &tasks {
        Some(tasks) => Some(score(&source, asked, tasks).await?),
        None => None,
    };
    if arguments.json {
        let json = as_json(&source, judgement.as_ref().zip(corpus.as_ref()), report.as_ref())?;
        println!("{json:#}");
        return Ok(());
    }
    println!("{}", source.identity()?);
    if let Some(judgement) = judgement {
        println!("{judgement}");
    }
    if let Some(report) = report {
        println!("{report}");
        print!("{}", report.wrong(arguments.show.unwrap_or(0)));
    }
    Ok(())
}

/// What these exports make of the tasks.
async fn score(
    source: &ModelSource,
    exports: Vec<(Precision, PathBuf)>,
    tasks: &[Task],
) -> Result<TaskReport> {
    let mut scored = Vec::with_capacity(exports.len());
    for (precision, path) in exports {
        // One by one: each has an engine of its own, with memory for its texts.
        let export = Export::load(precision, path, source.config())?;
        let outcomes = tasks::score(&respondent(source, export).await?, tasks)?;
        scored.push(ScoredExport::new(precision, tasks, outcomes));
    }
    Ok(TaskReport { exports: scored })
}

fn as_json(
    source: &ModelSource,
    judgement: Option<(&Judgement, &Corpus)>,
    report: Option<&TaskReport>,
) -> Result<Value> {
    let mut json = json!({"model": source.identity()?});
    if let Some((judgement, corpus)) = judgement {
        json["evaluation"] = json!(judgement.evaluation_summary());
        json["exports"] = exports_as_json(judgement);
        json["corpus"] = json!(corpus.entries());
    }
    if let Some(report) = report {
        json["tasks"] = report.as_json();
    }
    Ok(json)
}

fn exports_as_json(judgement: &Judgement) -> Value {
    let exports = judgement.exports.iter().map(|export| {
        json!({
            "precision": export.precision,
            "file": export.file,
            "val_loss": export.comparison.score.loss,
            "perplexity": export.comparison.score.perplexity(),
            "bits_per_byte": export.comparison.score.bits_per_byte(),
            "kl_divergence": export.comparison.kl_divergence,
            "top_1_agreement": export.comparison.top_1_agreement,
            "largest_logit_difference": export.comparison.largest_logit_difference,
        })
    });
    exports.collect()
}
