//! `gpt rollback`: a channel returns to its previous version.

use anyhow::Result;
use clap::Args;
use store::Store;

use super::store_arguments::{ChannelArgument, StoreArgument};

/// Arguments of `gpt rollback`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    pub store: StoreArgument,
    #[command(flatten)]
    pub channel: ChannelArgument,
}

/// Returns a channel to its previous version.
///
/// # Errors
/// If there is none, or the channel is changed meanwhile.
pub async fn run(arguments: Arguments) -> Result<()> {
    let channel = &arguments.channel.channel;
    let now = Store::open(&arguments.store.location).await?.rollback(channel).await?;
    println!("channel {channel} names {now} now");
    Ok(())
}
