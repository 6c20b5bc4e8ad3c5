//! `gpt rollback`: a channel returns to a version that it has named before.

use anyhow::Result;
use clap::Args;
use gpt::release::cause;
use store::{Reason, Store};

use super::store_arguments::{ChannelArgument, StoreArgument};

/// Arguments of `gpt rollback`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    pub store: StoreArgument,
    #[command(flatten)]
    pub channel: ChannelArgument,
    /// The version to return to, one that `gpt models --history` lists [default: the one before].
    #[arg(long, value_name = "VERSION")]
    pub to: Option<String>,
}

/// Returns a channel to an earlier version.
///
/// # Errors
/// If there is none, or it is not in the store any more, or the channel is changed meanwhile.
pub async fn run(arguments: Arguments) -> Result<()> {
    let channel = &arguments.channel.channel;
    let store = Store::open(&arguments.store.location).await?;
    let cause = cause::now(Reason::Rollback, &[]);
    let now = store.rollback(channel, arguments.to.as_deref(), cause).await?;
    println!("channel {channel} names {now} now");
    Ok(())
}
