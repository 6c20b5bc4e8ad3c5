//! `gpt publish`: a version that exists, in another store.

use anyhow::{Context, Result};
use clap::Args;
use gpt::device;
use gpt::weights::ImportOptions;
use store::Store;

use super::corpus_arguments::TextArguments;
use super::model_argument::{ModelSpec, Opened};
use super::release::{Outcome, Promotion, judge};
use crate::cli::{GateArguments, StoreArgument};

/// What `gpt publish` can be told.
#[derive(Args)]
pub struct Arguments {
    /// The version: its folder, or channel:NAME or version:NAME/VERSION with --from.
    pub model: ModelSpec,
    /// The store that the version is in, unless its folder is given.
    #[arg(long)]
    pub from: Option<String>,
    #[command(flatten)]
    pub store: StoreArgument,
    /// Texts to compare the version on with the one that is served.
    #[command(flatten)]
    pub text: TextArguments,
    /// The channel that is to name the version, if it passes the gate.
    #[arg(long, value_name = "CHANNEL")]
    pub promote: Option<String>,
    #[command(flatten)]
    pub gate: GateArguments,
}

/// Copies a version, verified, and promotes it if that was asked for and the gate lets it pass.
///
/// # Errors
/// If the version cannot be read or is damaged, or the store cannot be written; then no version is
/// visible in it.
pub async fn run(arguments: Arguments) -> Result<Outcome> {
    let device = device::cpu();
    let from = arguments.from.as_deref();
    let opened = Opened::find(&arguments.model, from, &ImportOptions::default(), &device).await?;
    let Opened::Version(version, _) = &opened else {
        anyhow::bail!("there is no published version at this path; to publish weights: gpt import");
    };
    let store = Store::open(&arguments.store.location).await?;
    let text = arguments.text.load(opened.tokenizer()?.as_ref())?.map(|(_, text)| text);
    let promotion = arguments.promote.map(|channel| Promotion { channel, gate: arguments.gate.gate() });
    if let Some(promotion) = &promotion {
        promotion.check(&store, text.as_ref()).await?;
    }

    let downloads = tempfile::tempdir()?;
    let mut staged = store.stage(&version.manifest.name).await?;
    for file in &version.manifest.files {
        let path = version.verified_file(file, downloads.path()).await?;
        let target = staged.path(&file.path);
        std::fs::copy(&path, &target).with_context(|| target.display().to_string())?;
        staged.add(&file.path, file.role)?;
    }
    let published = staged.publish(&version.manifest).await?;

    // Measured again: what is served from a channel was seen to compute what its model computes.
    let promotion = match promotion {
        Some(promotion) => {
            let model = opened.gpt(&device, downloads.path()).await?;
            let judged = judge(&model, opened.exports(None, downloads.path()).await?, text.as_ref())?;
            println!("{judged}");
            let held_back = promotion.promote(&store, &published, &judged, text.as_ref()).await?;
            Some((promotion.channel, held_back))
        }
        None => None,
    };
    Ok(Outcome { published, promotion })
}
