//! Model source: the store, and the channels or the version to serve from it.

use std::path::PathBuf;
use std::time::Duration;

use artifact::manifest::Precision;
use store::TrustedKeys;

use super::resources::Resources;

/// Location of the model, and limits for it.
#[derive(Clone, Debug)]
pub struct Source {
    /// Location of the store (the model registry): a directory or `s3://BUCKET/PREFIX`.
    pub store: String,
    /// The channel (the alias in a model registry) that names the version, unless one is pinned.
    pub channel: String,
    /// Another channel, whose model answers a share of the requests.
    pub challenger: Option<Challenge>,
    /// Whether this is the source of such a model.
    pub is_challenger: bool,
    /// A version that is served whatever the channel names.
    pub pinned: Option<Pinned>,
    /// Keys of which one must have signed what is served; none are asked for if there are none.
    pub trusted_keys: Option<TrustedKeys>,
    /// Precision of the weights; by default the fastest that the version has.
    pub precision: Option<Precision>,
    /// Folder for downloaded files.
    pub cache: PathBuf,
    /// The shortest time between two reads of the channel.
    pub check_interval: Duration,
    /// Threads and memory for the model.
    pub resources: Resources,
}

/// A channel that is tried beside the served one.
#[derive(Clone, Debug, PartialEq)]
pub struct Challenge {
    /// Its name.
    pub channel: String,
    /// The share of the requests that its model answers, from 0 to 1.
    pub share: f64,
}

/// A version to serve regardless of the channel, written `NAME/VERSION`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// Name of the model.
    pub name: String,
    /// Which of its versions.
    pub version: String,
}

impl Source {
    /// The source of the challenger's model.
    pub fn of_challenger(&self, challenge: &Challenge) -> Self {
        Self { channel: challenge.channel.clone(), challenger: None, is_challenger: true, ..self.clone() }
    }

    /// The channel's name for metrics, if two channels are compared.
    pub fn compared_channel(&self) -> Option<&str> {
        (self.challenger.is_some() || self.is_challenger).then_some(&self.channel)
    }
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
