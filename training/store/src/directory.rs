//! A store in a directory.
//!
//! A version is staged in a hidden folder beside its final place and renamed when it is complete. A
//! single object is replaced by a rename as well. Writers lock the folder that they change.
//!
//! The calls block: those who use a directory wait for it anyway, at start-up or in a batch job.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::MANIFEST;
use super::error::StoreError;
use super::local::{at, lock_folder, make_parent, make_readable};
use super::objects::{Condition, Content, MAX_SMALL_BYTES, Object, Staging, Tag};
use artifact::hash::{Sha256Hex, Sha256Writer};

/// How the names of folders begin in which versions are staged.
const STAGING: &str = ".staging-";

/// Where an object is written before it gets its name. One name for each folder, so that what a
/// killed writer has left is overwritten by the next.
const PARTIAL: &str = ".partial";

#[derive(Clone, Debug)]
pub(super) struct Directory {
    root: PathBuf,
}

impl Directory {
    /// The store in `root`, which need not exist yet.
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    pub(super) fn read(&self, key: &str) -> Result<Option<Object>, StoreError> {
        let path = self.path(key);
        let Some(file) = open_existing(&path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(MAX_SMALL_BYTES + 1).read_to_end(&mut bytes).map_err(at(&path))?;
        if bytes.len() as u64 > MAX_SMALL_BYTES {
            return Err(StoreError::TooLong { location: path.display().to_string(), limit: MAX_SMALL_BYTES });
        }
        let tag = Tag(Sha256Hex::of_bytes(&bytes).into());
        Ok(Some(Object { bytes, tag }))
    }

    pub(super) fn fetch(
        &self,
        key: &str,
        file: &mut NamedTempFile,
    ) -> Result<Option<(Sha256Hex, u64)>, StoreError> {
        let path = self.path(key);
        let Some(mut source) = open_existing(&path)? else { return Ok(None) };
        let target = file.path().to_owned();
        let mut writer = Sha256Writer::new(file);
        io::copy(&mut source, &mut writer).map_err(at(&target))?;
        Ok(Some(writer.finish()))
    }

    pub(super) fn write(
        &self,
        key: &str,
        content: Content<'_>,
        condition: Condition<'_>,
    ) -> Result<bool, StoreError> {
        let path = self.path(key);
        let parent = make_parent(&path)?;
        // Held until the end of the function: the condition must still hold at the rename.
        let _turn = lock_folder(parent)?;
        let holds = match condition {
            Condition::Always => true,
            Condition::IfAbsent => !path.exists(),
            Condition::IfUnchanged(tag) => self.read(key)?.is_some_and(|found| found.tag == *tag),
        };
        if !holds {
            return Ok(false);
        }
        let partial = parent.join(PARTIAL);
        let mut file = fs::File::create(&partial).map_err(at(&partial))?;
        match content {
            Content::Bytes(bytes) => file.write_all(bytes).map_err(at(&partial))?,
            Content::File(source) => {
                let mut source_file = fs::File::open(source).map_err(at(source))?;
                io::copy(&mut source_file, &mut file).map_err(at(&partial))?;
            }
        }
        file.sync_all().map_err(at(&partial))?;
        fs::rename(&partial, &path).map_err(at(&path))?;
        Ok(true)
    }

    /// The folders that hold nothing after that are removed as well: in S3 there are none.
    pub(super) fn remove(&self, key: &str) -> Result<(), StoreError> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(at(&path))?,
        }
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != self.root) {
            // It fails where something is left.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let mut keys = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let path = self.path(&folder);
            let entries = match fs::read_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(at(&path))?,
            };
            for entry in entries {
                let entry = entry.map_err(at(&path))?;
                let key = format!("{folder}/{}", entry.file_name().to_string_lossy());
                let kind = entry.file_type().map_err(at(&path))?;
                // Hidden folders hold versions that are being written.
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                if kind.is_dir() { folders.push(key) } else { keys.push(key) }
            }
        }
        Ok(keys)
    }

    /// What writers that were killed have left behind is removed.
    pub(super) fn stage(&self, parent: &str) -> Result<Staging, StoreError> {
        let parent = self.path(parent);
        fs::create_dir_all(&parent).map_err(at(&parent))?;
        // Until this is dropped, no folder here can be found before its writer has locked it.
        let _turn = lock_folder(&parent)?;
        remove_abandoned(&parent)?;
        let folder = tempfile::Builder::new().prefix(STAGING).tempdir_in(&parent).map_err(at(&parent))?;
        let lock = lock_folder(folder.path())?;
        Ok(Staging { folder, _lock: Some(lock) })
    }

    pub(super) fn commit(&self, staging: Staging, target: &str, manifest: &[u8]) -> Result<bool, StoreError> {
        let folder = &staging.folder;
        let path = folder.path().join(MANIFEST);
        let mut file = fs::File::create(&path).map_err(at(&path))?;
        file.write_all(manifest).and_then(|()| file.sync_all()).map_err(at(&path))?;
        for entry in fs::read_dir(folder.path()).map_err(at(folder.path()))? {
            let path = entry.map_err(at(folder.path()))?.path();
            if path.is_file() {
                make_readable(&path, 0o644)?; // whoever wrote it may have kept it private
            }
        }
        make_readable(folder.path(), 0o755)?;

        let target = self.path(target);
        // A rename replaces only an empty folder, so it cannot change a version that exists.
        match fs::rename(folder.path(), &target) {
            Ok(()) => {
                let _ = staging.folder.keep();
                Ok(true)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                ) =>
            {
                Ok(false)
            }
            Err(source) => Err(StoreError::Io { path: target, source }),
        }
    }
}

fn open_existing(path: &Path) -> Result<Option<fs::File>, StoreError> {
    match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some).map_err(at(path)),
    }
}

/// Removes staging folders that no living process has locked.
fn remove_abandoned(parent: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(parent).map_err(at(parent))? {
        let entry = entry.map_err(at(parent))?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(STAGING)
            && fs::File::open(&path).map_err(at(&path))?.try_lock().is_ok()
        {
            fs::remove_dir_all(&path).map_err(at(&path))?;
        }
    }
    Ok(())
}
