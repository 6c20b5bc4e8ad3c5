//! `gpt prune`: removal of old versions from a store.

use anyhow::Result;
use clap::Args;
use indicatif::HumanBytes;
use jiff::{Timestamp, ToSpan};
use store::{PruningRule, Store};

use super::store_arguments::StoreArgument;

/// Arguments of `gpt prune`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    pub store: StoreArgument,
    /// How many versions of each model are kept, the newest; those that a channel names or would return to are
    /// kept besides.
    #[arg(long, value_name = "N")]
    pub keep: usize,
    /// Remove only versions that are older than so many days.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub older_than: Option<u32>,
    /// The model whose versions are removed [default: every model].
    #[arg(long)]
    pub name: Option<String>,
    /// Say what would be removed, and remove nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Removes old versions, and says which and how large they were.
///
/// # Errors
/// If the store or a channel in it cannot be read, or a version not be removed.
pub async fn run(arguments: Arguments) -> Result<()> {
    let store = Store::open(&arguments.store.location).await?;
    let (would, frees) = if arguments.dry_run { ("would be ", "would free") } else { ("", "freed") };
    let limit = match arguments.older_than {
        Some(days) => Some(Timestamp::now().checked_sub((24 * i64::from(days)).hours())?.to_string()),
        None => None,
    };
    let rule = PruningRule {
        keep: arguments.keep,
        created_before: limit.as_deref(),
        name: arguments.name.as_deref(),
    };
    let plan = store.plan_pruning(rule).await?;
    for version in &plan.kept {
        println!("{would}kept     {} {} ({})", version.name, version.version, version.reason);
    }
    for problem in &plan.unreadable {
        println!("{would}kept     {problem}");
    }
    let (mut bytes, mut count) = (0, 0);
    for version in plan.removed {
        if !arguments.dry_run && !store.remove_version(&version.name, &version.version).await? {
            println!("kept     {} {} (a channel names it by now)", version.name, version.version);
            continue;
        }
        println!("{would}removed  {} {}, {}", version.name, version.version, HumanBytes(version.bytes));
        (bytes, count) = (bytes + version.bytes, count + 1);
    }
    println!("{frees} {} in {count} versions", HumanBytes(bytes));
    Ok(())
}
