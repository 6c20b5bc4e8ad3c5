//! `gpt models`, `gpt promote`, `gpt rollback`: what a store holds and which version is served.

use anyhow::{Context, Result};
use jiff::Timestamp;
use store::Store;

/// Prints every version of every model, newest first.
///
/// # Errors
/// If the store cannot be read.
pub async fn models(location: &str) -> Result<()> {
    let store = Store::open(location).await?;
    let mut channels = Vec::new();
    for name in store.channels().await? {
        channels.push((store.channel(&name).await?.current, name));
    }
    let row = |columns: [&str; 7]| {
        let [model, version, channels, train, validation, size, age] = columns;
        println!("{model:<16} {version:<26} {channels:<16} {train:>8} {validation:>10} {size:>9} {age:>9}");
    };
    row(["model", "version", "channels", "train", "validation", "MB", "age"]);
    for name in store.models().await? {
        for version in store.versions(&name).await?.into_iter().rev() {
            let manifest = store.find_version(&name, &version).await?.manifest;
            let named_by: Vec<&str> = channels
                .iter()
                .filter(|(reference, _)| reference.name == name && reference.version == version)
                .map(|(_, channel)| channel.as_str())
                .collect();
            let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
            let loss = |loss: Option<f64>| loss.map_or("-".to_owned(), |loss| format!("{loss:.4}"));
            row([
                &name,
                &version,
                &named_by.join(","),
                &loss(manifest.training.map(|training| training.final_train_loss)),
                &loss(manifest.evaluation.map(|evaluation| evaluation.val_loss)),
                &format!("{:.1}", bytes as f64 / 1e6),
                &age(&manifest.created_at)?,
            ]);
        }
    }
    Ok(())
}

/// Makes a version live.
///
/// # Errors
/// If it does not exist, or the channel is changed meanwhile.
pub async fn promote(location: &str, channel: &str, name: &str, version: &str) -> Result<()> {
    let store = Store::open(location).await?;
    let target = store.find_version(name, version).await?.reference;
    let before = store.find_channel(channel).await?;
    let now = store.promote(channel, &target, before.as_ref()).await?;
    println!("channel {channel} names {now} now");
    Ok(())
}

/// Makes the previous version live.
///
/// # Errors
/// If there is none, or the channel is changed meanwhile.
pub async fn rollback(location: &str, channel: &str) -> Result<()> {
    let now = Store::open(location).await?.rollback(channel).await?;
    println!("channel {channel} names {now} now");
    Ok(())
}

/// How long ago a version was made, in its largest unit.
fn age(created_at: &str) -> Result<String> {
    let created: Timestamp = created_at.parse().with_context(|| format!("created_at is {created_at}"))?;
    let seconds = Timestamp::now().duration_since(created).as_secs().max(0);
    let (value, unit) = match seconds {
        0..60 => (seconds, "s"),
        60..3600 => (seconds / 60, "min"),
        3600..86_400 => (seconds / 3600, "h"),
        _ => (seconds / 86_400, "days"),
    };
    Ok(format!("{value} {unit}"))
}
