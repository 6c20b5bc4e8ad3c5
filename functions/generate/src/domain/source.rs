//! Model source: the store, and the channel or version to serve from it.

use std::path::PathBuf;
use std::time::Duration;

use artifact::manifest::Precision;

use super::resources::Resources;

/// Location of the model, and limits for it.
#[derive(Clone, Debug)]
pub struct Source {
    /// Location of the store (the model registry): a directory or `s3://BUCKET/PREFIX`.
    pub store: String,
    /// The channel (the alias in a model registry) that names the version, unless one is pinned.
    pub channel: String,
    /// A version that is served whatever the channel names.
    pub pinned: Option<Pinned>,
    /// Precision of the weights; by default the fastest that the version has.
    pub precision: Option<Precision>,
    /// Folder for downloaded files.
    pub cache: PathBuf,
    /// The shortest time between two reads of the channel.
    pub check_interval: Duration,
    /// Threads and memory for the model.
    pub resources: Resources,
}

/// A version to serve regardless of the channel, written `NAME/VERSION`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// Name of the model.
    pub name: String,
    /// Which of its versions.
    pub version: String,
}

impl std::str::FromStr for Pinned {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((name, version)) if !name.is_empty() && !version.is_empty() => {
                Ok(Self { name: name.to_owned(), version: version.to_owned() })
            }
            _ => Err("expected NAME/VERSION, as `gpt models` lists them"),
        }
    }
}
