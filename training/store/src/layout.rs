//! Layout of a store: the keys of manifests, channels and checkpoints.

use artifact::manifest::is_safe_name;

use crate::error::StoreError;
use crate::key::is_safe_key;

/// File name of the manifest in a version's folder.
pub const MANIFEST: &str = "manifest.json";

/// File name of a version's signature, which no manifest lists: it is of the manifest too.
pub(crate) const SIGNATURE: &str = "model.sig";

/// Folder of the models.
pub(crate) const MODELS: &str = "models";
/// Folder of the channels.
pub(crate) const CHANNELS: &str = "channels";
/// Folder of the checkpoints of training runs.
pub(crate) const CHECKPOINTS: &str = "checkpoints";

/// A name that is safe as a part of a key; `what` it names is for the error.
pub(crate) fn checked_name<'a>(what: &'static str, name: &'a str) -> Result<&'a str, StoreError> {
    if is_safe_name(name) { Ok(name) } else { Err(StoreError::Name { what, name: name.to_owned() }) }
}

/// The folder of a model's versions.
pub(crate) fn model_folder(name: &str) -> Result<String, StoreError> {
    Ok(format!("{MODELS}/{}", checked_name("model", name)?))
}

/// The folder of a version.
pub(crate) fn version_folder(name: &str, version: &str) -> Result<String, StoreError> {
    Ok(format!("{}/{}", model_folder(name)?, checked_name("version", version)?))
}

/// The name and version of each manifest among the keys.
pub(crate) fn manifests(keys: &[String]) -> impl Iterator<Item = (&str, &str)> {
    keys.iter().filter_map(|key| match key.split('/').collect::<Vec<_>>()[..] {
        [MODELS, name, version, MANIFEST] => Some((name, version)),
        _ => None,
    })
}

/// The key of a channel.
pub(crate) fn channel_key(channel: &str) -> Result<String, StoreError> {
    Ok(format!("{CHANNELS}/{}.json", checked_name("channel", channel)?))
}

/// The full key of a checkpoint's file.
pub(crate) fn checkpoint_key(key: &str) -> Result<String, StoreError> {
    let full = format!("{CHECKPOINTS}/{key}");
    if is_safe_key(&full) { Ok(full) } else { Err(StoreError::Key { key: key.to_owned() }) }
}
