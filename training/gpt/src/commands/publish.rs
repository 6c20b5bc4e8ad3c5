//! `gpt publish`: a copy of a published version in another store.

use anyhow::Result;
use clap::Args;
use gpt::release::publication::copy;
use gpt::release::source::downloads;
use gpt::release::{Judgement, ModelSource, ModelSpec, Outcome};
use gpt::weights::ImportOptions;

use super::corpus_arguments::TextArguments;
use super::device_argument::DeviceArgument;
use super::store_arguments::{GateArguments, SigningArgument, StoreArgument};

/// Arguments of `gpt publish`.
#[derive(Args)]
pub struct Arguments {
    /// The version: its folder, or channel:NAME or version:NAME/VERSION with --from.
    pub model: ModelSpec,
    /// The store of the version, unless its folder is given.
    #[arg(long)]
    pub from: Option<String>,
    #[command(flatten)]
    pub store: StoreArgument,
    #[command(flatten)]
    pub signing: SigningArgument,
    /// Texts to compare the version with the one being served.
    #[command(flatten)]
    pub text: TextArguments,
    /// Channel to promote the version to, if it passes the gate.
    #[arg(long, value_name = "CHANNEL")]
    pub promote: Option<String>,
    #[command(flatten)]
    pub gate: GateArguments,
    #[command(flatten)]
    pub device: DeviceArgument,
}

/// Copies a version, verified, and promotes it if that was asked for and the gate lets it pass.
///
/// # Errors
/// If the version cannot be read or is damaged, or the store cannot be written; then no version is
/// visible in it.
pub async fn run(arguments: Arguments) -> Result<Outcome> {
    let device = arguments.device.open()?;
    let from = arguments.from.as_deref();
    let source = ModelSource::find(&arguments.model, from, &ImportOptions::default(), &device).await?;
    let ModelSource::Version(version, _) = &source else {
        anyhow::bail!("there is no published version at this path; to publish weights: gpt import");
    };
    let store = arguments.signing.open(&arguments.store.location).await?;
    let tokenizer = source.tokenizer().await?;
    let text = arguments.text.load(tokenizer.as_ref())?.map(|(_, text)| text);
    let promotion = arguments.gate.promotion_if(arguments.promote)?;
    if let Some(promotion) = &promotion {
        promotion.check(&store, tokenizer.as_ref(), text.as_ref()).await?;
    }
    let downloads = downloads()?;
    let published = copy(version, &store, downloads.path()).await?;
    let Some(promotion) = promotion else { return Ok(Outcome { published, promotion: None }) };

    // Judged again, so that every version a channel names has been compared with its model by this build.
    let model = source.gpt(&device, downloads.path()).await?;
    let exports = source.exports(None, downloads.path()).await?;
    let judgement = Judgement::of(&model, exports, text.as_ref())?;
    println!("{judgement}");
    Ok(Outcome::of(published, Some(promotion), &store, &judgement, text.as_ref()).await?)
}
