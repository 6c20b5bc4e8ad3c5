//! `gpt chat`: a conversation with a model in the terminal.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use artifact::Sampling;
use clap::Args;
use engine::GenerationOptions;
use gpt::chat::{ChatError, Conversation, Respondent};
use gpt::device;
use gpt::release::respondent::served;
use gpt::release::source::downloads;
use signal_hook::consts::SIGINT;

use super::model_argument::ModelArgument;

/// The longest line that is read: more than any context holds.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Arguments of `gpt chat`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    pub model: ModelArgument,
    /// What sets the scene: the system message of the conversation.
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Divides the logits: 0 is greedy, higher is more varied.
    #[arg(long, default_value_t = 0.7)]
    pub temperature: f32,
    /// Number of most likely tokens to draw from.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub top_k: u32,
    /// Most tokens of an answer [default: as many as the context holds].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_tokens: Option<u32>,
    /// Seed of the random numbers; the same seed and questions give the same answers.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// Reads questions line by line and prints the answers, until there are no more. From a pipe there is nothing but the answers
/// on standard output.
///
/// # Errors
/// If the model cannot be read, has no chat template, or fails.
pub async fn run(arguments: Arguments) -> Result<()> {
    // At the prompt, Ctrl-C ends the program; while an answer is written, it ends the answer.
    let (waits, stop) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    signal_hook::flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(&waits))?;
    signal_hook::flag::register(SIGINT, Arc::clone(&stop))?;

    let source = arguments.model.find(&device::cpu()).await?;
    ensure!(
        source.chat_template().await?.is_some(),
        "{} has no chat template: it continues texts and answers nothing; `gpt sample` continues a text, `gpt finetune` makes \
         a model that answers",
        source.identity()?
    );
    let downloads = downloads()?;
    let respondent = served(&source, downloads.path()).await?;
    eprintln!(
        "{}, a language model of {} parameters. It writes what is likely after its training texts, looks nothing up, and can \
         be wrong.",
        source.identity()?,
        source.config().num_parameters()
    );
    let mut talk = Talk {
        conversation: Conversation::new(arguments.system.clone()),
        respondent,
        arguments,
        answers: 0,
        waits,
        stop,
    };
    let (mut input, is_terminal) = (io::stdin().lock(), io::stdin().is_terminal());
    if is_terminal {
        eprintln!(
            "/new begins anew, /undo takes back the last exchange, Ctrl-C stops an answer, Ctrl-D ends."
        );
    }
    loop {
        if is_terminal {
            eprint!("> ");
        }
        match read_line(&mut input)? {
            Some(line) => talk.take(line.trim())?,
            None => return Ok(()),
        }
    }
}

/// A line, or none at the end.
fn read_line(input: &mut impl BufRead) -> Result<Option<String>> {
    let mut line = Vec::new();
    let count = input.take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut line).context("reading a question")?;
    ensure!(
        count as u64 <= MAX_LINE_BYTES,
        "a question is longer than {} KiB, expected at most that",
        MAX_LINE_BYTES >> 10
    );
    let line = String::from_utf8(line).context("a question is no UTF-8")?;
    Ok((count > 0).then_some(line))
}

/// A conversation that goes on.
struct Talk {
    arguments: Arguments,
    respondent: Respondent,
    conversation: Conversation,
    /// Those so far: each has random numbers of its own.
    answers: u64,
    /// Whether the user is to say something.
    waits: Arc<AtomicBool>,
    /// Set by Ctrl-C.
    stop: Arc<AtomicBool>,
}

impl Talk {
    /// Takes a line: a command, or a question.
    fn take(&mut self, line: &str) -> Result<()> {
        match line {
            "" => {}
            "/new" => self.conversation.restart(),
            "/undo" => {
                if !self.conversation.undo() {
                    eprintln!("there is nothing to take back");
                }
            }
            other if other.starts_with('/') => eprintln!("{other} is no command, expected /new or /undo"),
            question => self.answer(question)?,
        }
        Ok(())
    }

    fn answer(&mut self, question: &str) -> Result<()> {
        let Arguments { temperature, top_k, max_tokens, seed, .. } = self.arguments;
        let max_tokens = max_tokens.map_or(usize::MAX, |tokens| tokens as usize);
        let sampling = Sampling::new(temperature, Some(top_k as usize));
        let options = GenerationOptions::new(max_tokens, sampling, seed.wrapping_add(self.answers));
        self.answers += 1;
        self.stop.store(false, Ordering::Relaxed);
        self.waits.store(false, Ordering::Relaxed);
        let mut output = io::stdout().lock();
        let write = |piece: &str| {
            output.write_all(piece.as_bytes())?;
            output.flush()
        };
        let said = self.conversation.ask(&self.respondent, question, options, &self.stop, write);
        self.waits.store(true, Ordering::Relaxed);
        match said {
            Ok(()) => println!(),
            // The next question may be shorter, or another.
            Err(error @ (ChatError::TooLong { .. } | ChatError::Template(_))) => eprintln!("{error}"),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
