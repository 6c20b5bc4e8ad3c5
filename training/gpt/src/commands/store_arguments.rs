//! Arguments for a store, a channel and the promotion gate.

use clap::Args;
use gpt::release::gate::{DEFAULT_MARGIN, Gate};

/// The store of a command.
#[derive(Args)]
pub struct StoreArgument {
    /// The store (model registry): a directory, or s3://BUCKET/PREFIX.
    #[arg(long = "store", env = "MODEL_STORE")]
    pub location: String,
}

/// The channel of a command.
#[derive(Args)]
pub struct ChannelArgument {
    /// Channel (alias) whose version is served.
    #[arg(long, default_value = "live")]
    pub channel: String,
}

/// Thresholds of the promotion gate.
#[derive(Args)]
pub struct GateArguments {
    /// By how much the new version's validation loss may exceed that of the version being served, in nats
    /// per token. Where the two have different tokenizers, they are compared by the bytes of the text, and the
    /// margin is in tokens of the new one.
    #[arg(long, default_value_t = DEFAULT_MARGIN)]
    pub margin: f64,
}

impl GateArguments {
    /// The gate with these thresholds.
    pub fn gate(&self) -> Gate {
        Gate { margin: self.margin, ..Gate::default() }
    }
}
