//! Wanted version: the one that the channel names, or a pinned one whatever the channel names.

use store::{ModelVersion, Store, StoreError, VersionRef};

use super::source::{Pinned, Source};

/// The version that is to be served.
#[derive(Clone, PartialEq)]
pub enum Wanted {
    /// By the channel.
    Live(VersionRef),
    /// By the settings.
    Pinned(Pinned),
}

impl Wanted {
    /// The version that is wanted now.
    ///
    /// # Errors
    /// If the channel cannot be read.
    pub async fn now(source: &Source, store: &Store) -> Result<Self, StoreError> {
        match &source.pinned {
            Some(pinned) => Ok(Self::Pinned(pinned.clone())),
            None => Ok(Self::Live(store.channel(&source.channel).await?.current)),
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// If its manifest is missing, damaged, or of another format version.
    pub async fn open(&self, store: &Store) -> Result<ModelVersion, StoreError> {
        match self {
            Self::Live(reference) => store.open_version(reference).await,
            Self::Pinned(Pinned { name, version }) => store.find_version(name, version).await,
        }
    }

    /// Whether this is the wanted version.
    pub fn is(&self, reference: &VersionRef) -> bool {
        match self {
            Self::Live(wanted) => wanted == reference,
            Self::Pinned(Pinned { name, version }) => {
                (name, version) == (&reference.name, &reference.version)
            }
        }
    }
}
