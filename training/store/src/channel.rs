//! Channels: aliases such as `live` that point to a version of a model, and remember what they pointed to before.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::history::{Cause, LONGEST_HISTORY, Move};
use crate::layout::{CHANNELS, channel_key};
use crate::object::{Condition, Content, Tag};
use crate::store::Store;
use crate::version::VersionRef;

/// A channel: the version that is live, and the one before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Channel {
    /// The live version.
    #[serde(flatten)]
    pub current: VersionRef,
    /// The version that was live before it.
    pub previous: Option<VersionRef>,
    /// Its moves, the newest first: the last 200 of those that were recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Move>,
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.current)
    }
}

impl Store {
    /// Reads a channel that must exist.
    ///
    /// # Errors
    /// If it does not exist or is not a channel.
    pub async fn channel(&self, channel: &str) -> Result<Channel, StoreError> {
        let key = channel_key(channel)?;
        self.find_channel(channel).await?.ok_or_else(|| StoreError::NoChannel {
            channel: channel.to_owned(),
            location: self.objects.location(&key),
        })
    }

    /// Reads a channel; `None` if it has never been set.
    ///
    /// # Errors
    /// If it is not a channel.
    pub async fn find_channel(&self, channel: &str) -> Result<Option<Channel>, StoreError> {
        Ok(self.read_channel(&channel_key(channel)?).await?.map(|(channel, _)| channel))
    }

    /// Makes `target` the live version of a channel, and remembers the one before it and the cause. `expected` is
    /// the channel as the caller has read it, `None` if there was none: the channel is changed only if it
    /// still is so, so of several callers that promote at once one wins.
    ///
    /// Promoting the version that is live already changes nothing.
    ///
    /// # Errors
    /// [`StoreError::LostRace`] if the channel was changed since it was read; then it is left as it
    /// is. Also if `target` is not a complete version, or the store cannot be read or written.
    pub async fn promote(
        &self,
        channel: &str,
        target: &VersionRef,
        expected: Option<&Channel>,
        cause: Cause,
    ) -> Result<Channel, StoreError> {
        let key = channel_key(channel)?;
        // A channel never names a version that a reader could not open.
        self.open_version(target).await?;
        let (found, tag) = self.read_channel(&key).await?.unzip();
        if found.as_ref() != expected {
            return self.settle(&key, target, expected, found);
        }
        if let Some(channel) = found.filter(|channel| channel.current == *target) {
            return Ok(channel);
        }
        let pointer = pointer(target, expected, cause);
        let json = serde_json::to_vec_pretty(&pointer)
            .map_err(|source| StoreError::Channel { location: self.objects.location(&key), source })?;
        let condition = tag.as_ref().map_or(Condition::IfAbsent, Condition::IfUnchanged);
        if self.objects.write(&key, Content::Bytes(&json), condition).await? {
            return Ok(pointer);
        }
        let found = self.read_channel(&key).await?.map(|(channel, _)| channel);
        self.settle(&key, target, expected, found)
    }

    /// Makes an earlier version of a channel live again: the one named `to`, by default the one before. The version that
    /// it leaves becomes the previous one, so a second rollback undoes the first.
    ///
    /// # Errors
    /// If the channel has no earlier version, or none of this name, and as [`promote`](Self::promote).
    pub async fn rollback(
        &self,
        channel: &str,
        to: Option<&str>,
        cause: Cause,
    ) -> Result<Channel, StoreError> {
        let found = self.channel(channel).await?;
        let mut earlier = found.previous.iter().chain(found.history.iter().map(|entry| &entry.version));
        let target = match to {
            None => found.previous.as_ref(),
            Some(version) => earlier.find(|earlier| earlier.version == version),
        };
        let Some(target) = target else {
            let location = self.objects.location(&channel_key(channel)?);
            return Err(match to {
                None => StoreError::NoPrevious { location },
                Some(version) => StoreError::NeverNamed { location, version: version.to_owned() },
            });
        };
        self.promote(channel, target, Some(&found), cause).await
    }

    /// The names of all channels, sorted.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn channels(&self) -> Result<Vec<String>, StoreError> {
        let keys = self.objects.list(CHANNELS).await?;
        let name = |key: &String| key.split_once('/')?.1.strip_suffix(".json").map(str::to_owned);
        Ok(keys.iter().filter_map(name).collect())
    }

    /// Decides about a channel that is not as expected. If it is as it was to become, an answer was lost
    /// and the request repeated: that is success.
    fn settle(
        &self,
        key: &str,
        target: &VersionRef,
        expected: Option<&Channel>,
        found: Option<Channel>,
    ) -> Result<Channel, StoreError> {
        let describe =
            |channel: Option<&Channel>| channel.map_or("no channel".to_owned(), Channel::to_string);
        match found {
            Some(channel)
                if channel.current == *target
                    && channel.previous.as_ref() == expected.map(|channel| &channel.current) =>
            {
                Ok(channel)
            }
            found => Err(StoreError::LostRace {
                location: self.objects.location(key),
                expected: describe(expected),
                found: describe(found.as_ref()),
            }),
        }
    }

    async fn read_channel(&self, key: &str) -> Result<Option<(Channel, Tag)>, StoreError> {
        let Some(object) = self.objects.read(key).await? else { return Ok(None) };
        let channel = serde_json::from_slice(&object.bytes)
            .map_err(|source| StoreError::Channel { location: self.objects.location(key), source })?;
        Ok(Some((channel, object.tag)))
    }
}

fn pointer(target: &VersionRef, before: Option<&Channel>, cause: Cause) -> Channel {
    let earlier = before.map_or(&[][..], |channel| &channel.history);
    let mut history = vec![Move { version: target.clone(), cause }];
    history.extend(earlier.iter().take(LONGEST_HISTORY - 1).cloned());
    Channel { current: target.clone(), previous: before.map(|channel| channel.current.clone()), history }
}
