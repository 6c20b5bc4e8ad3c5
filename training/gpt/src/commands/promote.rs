//! `gpt promote`: a channel names another version.

use anyhow::Result;
use clap::Args;
use gpt::release::cause;
use store::{Reason, Store};

use super::store_arguments::{ChannelArgument, StoreArgument};

/// Arguments of `gpt promote`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    pub store: StoreArgument,
    #[command(flatten)]
    pub channel: ChannelArgument,
    /// Name of the model.
    pub name: String,
    /// Version of the model, as `gpt models` lists it.
    pub version: String,
}

/// Promotes a version to a channel.
///
/// # Errors
/// If it does not exist, or the channel is changed meanwhile.
pub async fn run(arguments: Arguments) -> Result<()> {
    let store = Store::open(&arguments.store.location).await?;
    let channel = &arguments.channel.channel;
    let target = store.find_version(&arguments.name, &arguments.version).await?.reference;
    let before = store.find_channel(channel).await?;
    let cause = cause::now(Reason::ByHand, &[]);
    let now = store.promote(channel, &target, before.as_ref(), cause).await?;
    println!("channel {channel} names {now} now");
    Ok(())
}
