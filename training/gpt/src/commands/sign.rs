//! `gpt sign`: a signature for a version that is published already.

use anyhow::Result;
use clap::Args;
use store::{SigningKey, Store};

use super::store_arguments::StoreArgument;

/// Arguments of `gpt sign`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    pub store: StoreArgument,
    /// The key: a file in PEM with a private key of the curve P-256, or awskms:KEY with a key in AWS KMS.
    #[arg(long, env = "SIGNING_KEY", value_name = "KEY")]
    pub sign_with: String,
    /// Name of the model.
    pub name: String,
    /// Version of the model, as `gpt models` lists it.
    pub version: String,
}

/// Signs a version, in place of the signature that it has.
///
/// # Errors
/// If there is no such version, or the key cannot sign.
pub async fn run(arguments: Arguments) -> Result<()> {
    let store = Store::open(&arguments.store.location).await?;
    let version = store.find_version(&arguments.name, &arguments.version).await?;
    store.sign(&version, &SigningKey::open(&arguments.sign_with).await?).await?;
    println!("signed {}", version.reference);
    Ok(())
}
