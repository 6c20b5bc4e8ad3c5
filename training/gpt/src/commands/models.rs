//! `gpt models`: the versions in a store, and the channels that name them.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::HumanDuration;
use jiff::Timestamp;
use store::{Store, VersionRef};

use super::store_arguments::StoreArgument;

/// Arguments of `gpt models`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    pub store: StoreArgument,
}

/// Prints every version of every model, newest first.
///
/// # Errors
/// If the store cannot be read.
pub async fn run(arguments: Arguments) -> Result<()> {
    let store = Store::open(&arguments.store.location).await?;
    let mut channels = Vec::new();
    for name in store.channels().await? {
        channels.push((store.channel(&name).await?.current, name));
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["model", "version", "channels", "train", "validation", "MB", "age"]);
    for name in store.models().await? {
        for version in store.versions(&name).await?.into_iter().rev() {
            table.add_row(row(&store, &name, &version, &channels).await?);
        }
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        if index >= 3 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{}", table.trim_fmt());
    Ok(())
}

async fn row(
    store: &Store,
    name: &str,
    version: &str,
    channels: &[(VersionRef, String)],
) -> Result<[String; 7]> {
    let manifest = store.find_version(name, version).await?.manifest;
    let is_named = |reference: &VersionRef| reference.name == name && reference.version == version;
    let named_by: Vec<&str> = channels
        .iter()
        .filter(|(reference, _)| is_named(reference))
        .map(|(_, channel)| channel.as_str())
        .collect();
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    let loss = |loss: Option<f64>| loss.map_or("-".to_owned(), |loss| format!("{loss:.4}"));
    Ok([
        name.to_owned(),
        version.to_owned(),
        named_by.join(","),
        loss(manifest.training.map(|training| training.final_train_loss)),
        loss(manifest.evaluation.map(|evaluation| evaluation.val_loss)),
        format!("{:.1}", bytes as f64 / 1e6),
        age(&manifest.created_at)?,
    ])
}

/// Time since a version was made, in its largest unit.
fn age(created_at: &str) -> Result<String> {
    let created: Timestamp = created_at.parse().with_context(|| format!("created_at is {created_at}"))?;
    let age = Timestamp::now().duration_since(created);
    Ok(HumanDuration(Duration::try_from(age).unwrap_or_default()).to_string())
}
