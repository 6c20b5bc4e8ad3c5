//! Command line of `gpt`.

use clap::{Parser, Subcommand};

use crate::commands::{
    chat, evaluate, export, finetune, import, models, presets, promote, prune, publish, rollback, sample,
    sign, tokenizer, train,
};

/// Train a small GPT on your own text, publish it, and decide which version is served.
#[derive(Parser)]
#[command(version)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `gpt`.
#[derive(Subcommand)]
pub enum Command {
    /// Train a model on texts, export it to ONNX and publish it to a store.
    ///
    /// Nothing is visible in the store before the new version is complete. It is then promoted to the
    /// channel if its exports compute the same as the model, within the gate's thresholds, and its
    /// validation loss is at most --margin above that of the version being served; with --gate tasks, if it does as
    /// many --tasks right. Otherwise the exit code is 3.
    Train(Box<train::Arguments>),
    /// Train a model further, on texts or on conversations, with settings that suit it.
    ///
    /// On conversations it learns to answer. It is published and promoted as a trained model is.
    Finetune(Box<finetune::Arguments>),
    /// Measure the loss of a model and its exports on a text, and how many tasks with known answers they do right.
    Evaluate(evaluate::Arguments),
    /// Write a model in another format.
    Export(export::Arguments),
    /// Publish weights from elsewhere: PyTorch, safetensors or Hugging Face's GPT-2.
    Import(import::Arguments),
    /// Copy a published version into another store, such as from a directory to S3.
    ///
    /// With --promote, it is then promoted to the channel if it passes the same gate as a trained model;
    /// otherwise the exit code is 3. Publishing again completes a publication that was interrupted.
    Publish(publish::Arguments),
    /// Talk with a model that answers: one with a chat template.
    ///
    /// Answers are printed as they come. Ctrl-C stops an answer, Ctrl-D ends; /new begins anew, /undo takes back the last
    /// exchange. When the context is full, the oldest exchanges leave it.
    Chat(chat::Arguments),
    /// Continue a text.
    Sample(sample::Arguments),
    /// List the versions in a store: channels that name them, loss, size and age.
    Models(models::Arguments),
    /// List the built-in presets, or print one as a start for one of your own.
    Presets(presets::Arguments),
    /// Remove old versions from a store, but for those that channels name or return to.
    Prune(prune::Arguments),
    /// Train a tokenizer without a model.
    Tokenizer(tokenizer::Arguments),
    /// Promote a published version to a channel, whatever its loss.
    Promote(promote::Arguments),
    /// Return a channel to a version that it has named before. A second rollback undoes the first.
    Rollback(rollback::Arguments),
    /// Sign a version, so that servers which trust the key serve it.
    Sign(sign::Arguments),
    /// Compute gradients for a training on several devices, which starts this by itself.
    #[command(hide = true)]
    Worker,
}
