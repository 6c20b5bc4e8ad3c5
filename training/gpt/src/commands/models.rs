//! `gpt models`: the versions in a store, and the channels that name them, now or earlier.

use std::time::Duration;

use anyhow::Result;
use artifact::Manifest;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::HumanDuration;
use jiff::Timestamp;
use store::{Channel, Move, Store, StoreError, VersionRef};

use super::store_arguments::StoreArgument;

/// Arguments of `gpt models`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    pub store: StoreArgument,
    /// List instead what each channel has named, the newest first: since when, by whose hand, and by which figures of
    /// the promotion gate.
    #[arg(long)]
    pub history: bool,
}

/// Prints every version of every model, or every move of every channel, newest first, and then what could not be read.
///
/// # Errors
/// If the store, or something in it, cannot be read.
pub async fn run(arguments: Arguments) -> Result<()> {
    let store = Store::open(&arguments.store.location).await?;
    let mut problems = Vec::new();
    let mut channels = Vec::new();
    for name in store.channels().await? {
        match store.channel(&name).await {
            Ok(channel) => channels.push((channel, name)),
            Err(error) => problems.push(one_of_many(error)?),
        }
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    if arguments.history {
        table.set_header(["channel", "since", "model", "version", "reason", "by", "figures"]);
        table.add_rows(channels.iter().flat_map(|(channel, name)| moves(channel, name)));
    } else {
        table.set_header(["model", "version", "channels", "train", "validation", "bits/byte", "MB", "age"]);
        for name in store.models().await? {
            for version in store.versions(&name).await?.into_iter().rev() {
                match store.find_version(&name, &version).await {
                    Ok(found) => drop(table.add_row(row(found.manifest, &channels))),
                    Err(error) => problems.push(one_of_many(error)?),
                }
            }
        }
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        if index >= 3 && !arguments.history {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{}", table.trim_fmt());
    anyhow::ensure!(
        problems.is_empty(),
        "{} of the versions and channels in the store cannot be read and are not listed:\n{}",
        problems.len(),
        problems.join("\n")
    );
    Ok(())
}

/// The message of an error of one version or channel; an error of the server is one of all.
fn one_of_many(error: StoreError) -> Result<String, StoreError> {
    match error {
        StoreError::S3 { .. } => Err(error),
        of_one => Ok(of_one.to_string()),
    }
}

/// What a channel has named. Of one that only an earlier build has moved, that is what it names and what it would return
/// to.
fn moves(channel: &Channel, name: &str) -> Vec<[String; 7]> {
    let unknown = || "-".to_owned();
    let row = |VersionRef { name: model, version, .. }: &VersionRef,
               [since, reason, by, figures]: [String; 4]| {
        [name.to_owned(), since, model.clone(), version.clone(), reason, by, figures]
    };
    if channel.history.is_empty() {
        let earlier = [Some(&channel.current), channel.previous.as_ref()];
        return earlier
            .into_iter()
            .flatten()
            .map(|version| row(version, [(); 4].map(|()| unknown())))
            .collect();
    }
    let with_cause = channel.history.iter().map(|Move { version, cause }| {
        let figures: Vec<_> = cause
            .figures
            .iter()
            .map(|(name, figure)| format!("{} {figure:.4}", name.replace('_', " ")))
            .collect();
        row(version, [cause.at.clone(), cause.reason.to_string(), cause.by.clone(), figures.join(", ")])
    });
    with_cause.collect()
}

fn row(manifest: Manifest, channels: &[(Channel, String)]) -> [String; 8] {
    let is_named =
        |reference: &VersionRef| reference.name == manifest.name && reference.version == manifest.version;
    let named_by: Vec<&str> = channels
        .iter()
        .filter(|(channel, _)| is_named(&channel.current))
        .map(|(_, channel)| channel.as_str())
        .collect();
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    let loss = |loss: Option<f64>| loss.map_or("-".to_owned(), |loss| format!("{loss:.4}"));
    [
        manifest.name.clone(),
        manifest.version.clone(),
        named_by.join(","),
        loss(manifest.training.map(|training| training.final_train_loss)),
        loss(manifest.evaluation.map(|evaluation| evaluation.val_loss)),
        loss(manifest.evaluation.and_then(|evaluation| evaluation.bits_per_byte)),
        format!("{:.1}", bytes as f64 / 1e6),
        age(&manifest.created_at),
    ]
}

/// Time since a version was made, in its largest unit; a time that is none is shown as it is.
fn age(created_at: &str) -> String {
    let Ok(created) = created_at.parse::<Timestamp>() else { return created_at.to_owned() };
    let age = Timestamp::now().duration_since(created);
    HumanDuration(Duration::try_from(age).unwrap_or_default()).to_string()
}
