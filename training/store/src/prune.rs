//! Pruning: old versions of models are removed, those that channels name are not.

use std::collections::BTreeMap;

use crate::error::StoreError;
use crate::layout::{MANIFEST, model_folder, version_folder};
use crate::store::Store;
use crate::version::VersionRef;

/// What pruning leaves in a store, besides what channels name or would return to.
#[derive(Clone, Copy, Debug)]
pub struct PruningRule<'a> {
    /// So many of the newest versions of each model.
    pub keep: usize,
    /// Versions that were made later, RFC 3339, UTC.
    pub created_before: Option<&'a str>,
    /// Other models than the one of this name.
    pub name: Option<&'a str>,
}

/// What pruning would do to a store.
#[derive(Debug, Default)]
pub struct Pruning {
    /// Versions that are kept, model by model, the newest first.
    pub kept: Vec<Kept>,
    /// Versions that are removed.
    pub removed: Vec<Removed>,
    /// Versions whose manifest cannot be read: they are kept, and count for none of the newest.
    pub unreadable: Vec<StoreError>,
}

/// A version that is kept.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    /// Name of the model.
    pub name: String,
    /// Name of the version.
    pub version: String,
    /// The reason, in words.
    pub reason: String,
}

/// A version that is removed.
#[derive(Debug, PartialEq, Eq)]
pub struct Removed {
    /// Name of the model.
    pub name: String,
    /// Name of the version.
    pub version: String,
    /// Length of all its files.
    pub bytes: u64,
}

impl Store {
    /// What is to be removed by a rule. Versions that a channel names or would return to by a rollback stay, those
    /// that it has named earlier do not.
    ///
    /// # Errors
    /// If the store or a channel cannot be read, or there is no model of the rule's name.
    pub async fn plan_pruning(&self, rule: PruningRule<'_>) -> Result<Pruning, StoreError> {
        let PruningRule { keep, created_before, name } = rule;
        let named = self.named_by_channels().await?;
        let models = match name {
            Some(name) => vec![name.to_owned()],
            None => self.models().await?,
        };
        let mut pruning = Pruning::default();
        for name in models {
            let versions = self.versions(&name).await?;
            if versions.is_empty() {
                let location = self.objects.location(&model_folder(&name)?);
                return Err(StoreError::NoVersion { location });
            }
            let mut newest = 0;
            for version in versions.into_iter().rev() {
                let manifest = match self.find_version(&name, &version).await {
                    Ok(found) => found.manifest,
                    Err(error @ StoreError::S3 { .. }) => return Err(error),
                    Err(error) => {
                        pruning.unreadable.push(error);
                        continue;
                    }
                };
                newest += 1;
                let name = name.clone();
                match named.get(&(name.clone(), version.clone())) {
                    Some(reason) => pruning.kept.push(Kept { name, version, reason: reason.clone() }),
                    None if newest <= keep => {
                        pruning.kept.push(Kept {
                            name,
                            version,
                            reason: format!("one of the {keep} newest"),
                        });
                    }
                    None if created_before.is_some_and(|limit| manifest.created_at.as_str() >= limit) => {
                        pruning.kept.push(Kept { name, version, reason: "too young".to_owned() });
                    }
                    None => {
                        let bytes = manifest.files.iter().map(|file| file.bytes).sum();
                        pruning.removed.push(Removed { name, version, bytes });
                    }
                }
            }
        }
        Ok(pruning)
    }

    /// Removes a version, unless a channel names it or would return to it; whether it was removed.
    ///
    /// Readers see all of it or nothing: its manifest goes first.
    ///
    /// # Errors
    /// If a channel cannot be read, or a file not be removed.
    pub async fn remove_version(&self, name: &str, version: &str) -> Result<bool, StoreError> {
        let folder = version_folder(name, version)?;
        if self.named_by_channels().await?.contains_key(&(name.to_owned(), version.to_owned())) {
            return Ok(false);
        }
        self.objects.remove_folder(&folder, MANIFEST).await?;
        Ok(true)
    }

    /// Every version that a channel names or would return to, by name and version, with the channels in words.
    async fn named_by_channels(&self) -> Result<BTreeMap<(String, String), String>, StoreError> {
        let mut named: BTreeMap<_, String> = BTreeMap::new();
        let mut add = |VersionRef { name, version, .. }: VersionRef, reason: String| {
            let reasons = named.entry((name, version)).or_default();
            *reasons = if reasons.is_empty() { reason } else { format!("{reasons}, {reason}") };
        };
        for channel in self.channels().await? {
            let found = self.channel(&channel).await?;
            if let Some(previous) = found.previous {
                add(previous, format!("channel {channel} would return to it"));
            }
            add(found.current, format!("channel {channel}"));
        }
        Ok(named)
    }
}
