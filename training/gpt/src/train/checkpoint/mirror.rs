//! Mirror of a run's checkpoints in a store, from which another machine can go on.
//!
//! ```text
//! <store>/checkpoints/<model>/<run>/checkpoint-00000040/    its files; state.json is written last
//!                                   publication.json        the version that the run has become
//! ```
//!
//! `<run>` is a digest of the run's [identity](crate::train::identity), as on this machine. What this run left
//! when it was done before is not in the way: the same run from there ends with the same weights. So nothing
//! has to be removed, and a store that lets nothing be removed will do.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use store::{Store, StoreError};
use tokio::runtime::Runtime;

use super::layout::{KEPT, PREFIX, STATE, run_name};

/// Checkpoints of one run in a store.
pub struct Mirror<'a> {
    store: &'a Store,
    runtime: &'a Runtime,
    folder: String,
    /// Not tried again after it failed once.
    removes: Cell<bool>,
}

impl<'a> Mirror<'a> {
    /// The mirror of the run with this identity, which makes a version of `model` and may have been begun under
    /// another name of it.
    pub fn new(store: &'a Store, runtime: &'a Runtime, model: &str, run: &serde_json::Value) -> Self {
        let name = run_name(run);
        let own = format!("{model}/{name}");
        // A store that cannot be read says so when it is needed.
        let keys = runtime.block_on(store.list("")).unwrap_or_default();
        let folders = keys.iter().filter_map(|key| key.splitn(3, '/').collect::<Vec<_>>().try_into().ok());
        let folders = folders.filter(|[_, run, _]: &[&str; 3]| *run == name);
        let mut folders: Vec<String> = folders.map(|[model, run, _]| format!("{model}/{run}")).collect();
        folders.sort_by_key(|folder| *folder != own);
        let folder = folders.into_iter().next().unwrap_or(own);
        Self { store, runtime, folder, removes: Cell::new(true) }
    }

    /// Where it lies, for messages.
    pub fn folder(&self) -> String {
        format!("checkpoints/{} in the store", self.folder)
    }

    /// Whether there are checkpoints of other runs of the same model.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn has_others(&self) -> Result<bool, StoreError> {
        let (model, _) = self.folder.split_once('/').unwrap_or_default();
        let keys = self.runtime.block_on(self.store.list(model))?;
        Ok(keys.iter().any(|key| key.ends_with(STATE) && !key.starts_with(&format!("{}/", self.folder))))
    }

    /// Writes a small file beside the checkpoints.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.runtime.block_on(self.store.put_bytes(&format!("{}/{name}", self.folder), bytes))
    }

    /// Copies a file of the run to this machine; `false` if there is none.
    ///
    /// # Errors
    /// If the store cannot be read or the file not be written.
    pub(crate) fn read(&self, name: &str, path: &Path) -> Result<bool, StoreError> {
        match self.runtime.block_on(self.store.get_file(&format!("{}/{name}", self.folder), path)) {
            Ok(()) => Ok(true),
            Err(StoreError::NoFile { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Copies a checkpoint to the store, and removes older ones there but for the one before it.
    ///
    /// A failure is told to `note`, and is no error: the checkpoint is on this machine.
    pub fn save(&self, checkpoint: &Path, mut note: impl FnMut(&str)) {
        let name = checkpoint.file_name().unwrap_or_default().to_string_lossy();
        if let Err(error) = self.runtime.block_on(self.upload(checkpoint, &name)) {
            note(&format!("{name} is on this machine only, copying it to the store failed: {error}"));
            return;
        }
        // As on this machine, what lies after this one is of a run that this one replaces.
        self.remove_except(Some(&name), note);
    }

    /// The names of the checkpoints that are complete, the newest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn complete(&self) -> Result<Vec<String>, StoreError> {
        Ok(complete(&self.keys()?).into_iter().map(str::to_owned).collect())
    }

    /// Copies a checkpoint into a folder of this machine, without a judgement on it.
    ///
    /// # Errors
    /// If the store cannot be read or the folder not be written.
    pub fn download(&self, checkpoint: &str, folder: &Path) -> Result<(), StoreError> {
        for key in self.keys()? {
            if let Some((name, file)) = key.split_once('/')
                && name == checkpoint
                && !file.contains('/')
            {
                let key = format!("{}/{key}", self.folder);
                self.runtime.block_on(self.store.get_file(&key, &folder.join(file)))?;
            }
        }
        Ok(())
    }

    /// Removes all checkpoints from the store: the run is published, or starts anew. That they stay is told to
    /// `note`.
    pub fn clear(&self, note: impl FnMut(&str)) {
        self.remove_except(None, note);
    }

    /// Keys of this run, relative to its folder.
    fn keys(&self) -> Result<Vec<String>, StoreError> {
        let keys = self.runtime.block_on(self.store.list(&self.folder))?;
        Ok(keys
            .iter()
            .filter_map(|key| key.strip_prefix(&self.folder)?.strip_prefix('/'))
            .map(str::to_owned)
            .collect())
    }

    async fn upload(&self, checkpoint: &Path, name: &str) -> Result<(), StoreError> {
        let at = |source| StoreError::Io { path: checkpoint.to_owned(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(checkpoint).map_err(at)? {
            files.push(entry.map_err(at)?.file_name().to_string_lossy().into_owned());
        }
        files.sort_by_key(|file| file == STATE);
        for file in files {
            self.store.put_file(&format!("{}/{name}/{file}", self.folder), &checkpoint.join(&file)).await?;
        }
        Ok(())
    }

    /// Removes all but the newest checkpoints up to this one.
    fn remove_except(&self, newest: Option<&str>, mut note: impl FnMut(&str)) {
        if !self.removes.get() {
            return;
        }
        if let Err(error) = self.try_remove_except(newest) {
            self.removes.set(false);
            note(&format!("checkpoints that are no longer needed stay in the store: {error}"));
        }
    }

    fn try_remove_except(&self, newest: Option<&str>) -> Result<(), StoreError> {
        let mut keys = self.keys()?;
        let kept = complete(&keys).into_iter().filter(|name| Some(&**name) <= newest).take(KEPT);
        let kept: Vec<String> = kept.map(str::to_owned).collect();
        // A checkpoint without its state is never taken for complete, so the state goes first.
        keys.sort_by_key(|key| !key.ends_with(STATE));
        for key in keys {
            if key.starts_with(PREFIX)
                && !kept.iter().any(|kept| key.split('/').next() == Some(kept.as_str()))
            {
                self.runtime.block_on(self.store.remove_file(&format!("{}/{key}", self.folder)))?;
            }
        }
        Ok(())
    }
}

/// The checkpoints among these keys that are complete, the newest first.
fn complete(keys: &[String]) -> Vec<&str> {
    let split = keys.iter().filter_map(|key| key.split_once('/'));
    let is_complete = |(name, file): &(&str, &str)| name.starts_with(PREFIX) && *file == STATE;
    let mut names: Vec<&str> = split.filter(is_complete).map(|(name, _)| name).collect();
    // Steps have leading zeros, so names sort as numbers.
    names.sort_unstable_by(|a, b| b.cmp(a));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_are_kept_and_half_a_checkpoint_is_never_seen() {
        let (root, local) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = runtime.block_on(Store::open(root.path().to_str().unwrap())).unwrap();
        let named = |model: &str, seed: u8| Mirror::new(&store, &runtime, model, &serde_json::json!(seed));
        let mirror_of = |seed: u8| named("tiny", seed);
        let mirror = mirror_of(1);
        let silent = |note: &str| panic!("{note}");
        let save = |name: &str| {
            let checkpoint = local.path().join(name);
            fs::create_dir_all(&checkpoint).unwrap();
            fs::write(checkpoint.join(STATE), name).unwrap();
            fs::write(checkpoint.join("weights"), "1").unwrap();
            mirror.save(&checkpoint, silent);
        };
        save("checkpoint-00000001");
        save("checkpoint-00000002");
        save("checkpoint-00000003");
        let half = format!("{}/checkpoint-00000009/weights", mirror.folder);
        runtime.block_on(store.put_bytes(&half, b"1")).unwrap();
        assert_eq!(mirror.complete().unwrap(), ["checkpoint-00000003", "checkpoint-00000002"]);
        assert!(mirror_of(2).complete().unwrap().is_empty());
        assert_eq!(named("another-name", 1).complete().unwrap().len(), 2);

        let target = local.path().join("elsewhere");
        mirror.download("checkpoint-00000002", &target).unwrap();
        assert_eq!(fs::read_to_string(target.join(STATE)).unwrap(), "checkpoint-00000002");
        assert_eq!(fs::read_to_string(target.join("weights")).unwrap(), "1");

        // A run that starts anew comes to the second step again.
        save("checkpoint-00000002");
        assert_eq!(mirror.complete().unwrap(), ["checkpoint-00000002"]);
        assert_eq!(mirror.keys().unwrap().len(), 2);
        mirror.clear(silent);
        assert!(mirror.keys().unwrap().is_empty());
    }
}
