//! Object storage in a directory: objects are files, replaced by a rename.
//!
//! Writers lock the folder that they change, so that a condition still holds at the rename.
//!
//! The calls block: their callers wait for the directory anyway, at start-up or in a batch job.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use artifact::hash::{Sha256Hex, Sha256Writer};

use crate::atomic::{AtomicFile, AtomicFolder, PREFIX};
use crate::error::{StoreError, at};
use crate::layout::MANIFEST;
use crate::object::{Condition, Content, MAX_SMALL_BYTES, Object, Tag};

#[derive(Clone, Debug)]
pub(crate) struct Directory {
    root: PathBuf,
}

impl Directory {
    /// The store in `root`, which need not exist yet.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    pub(crate) fn read(&self, key: &str) -> Result<Option<Object>, StoreError> {
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

    pub(crate) fn fetch(
        &self,
        key: &str,
        file: &mut AtomicFile,
    ) -> Result<Option<(Sha256Hex, u64)>, StoreError> {
        let path = self.path(key);
        let Some(mut source) = open_existing(&path)? else { return Ok(None) };
        let target = file.path().to_owned();
        let mut writer = Sha256Writer::new(file);
        io::copy(&mut source, &mut writer).map_err(at(&target))?;
        Ok(Some(writer.finish()))
    }

    pub(crate) fn write(
        &self,
        key: &str,
        content: Content<'_>,
        condition: Condition<'_>,
    ) -> Result<bool, StoreError> {
        let path = self.path(key);
        let mut file = AtomicFile::create(&path)?;
        // Held until the end of the function: the condition must still hold at the rename.
        let _turn = lock_folder(path.parent().unwrap_or(&self.root))?;
        let holds = match condition {
            Condition::Always => true,
            Condition::IfAbsent => !path.exists(),
            Condition::IfUnchanged(tag) => self.read(key)?.is_some_and(|found| found.tag == *tag),
        };
        if !holds {
            return Ok(false);
        }
        match content {
            Content::Bytes(bytes) => file.write_all(bytes).map_err(at(&path))?,
            Content::File(source) => {
                let mut source_file = fs::File::open(source).map_err(at(source))?;
                io::copy(&mut source_file, &mut file).map_err(at(&path))?;
            }
        }
        file.commit()?;
        Ok(true)
    }

    /// Folders that are empty after that are removed as well, as in S3, which has no folders.
    pub(crate) fn remove(&self, key: &str) -> Result<(), StoreError> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(at(&path))?,
        }
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != self.root) {
            // It fails on a folder that is not empty.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Hides a folder, and then removes it: what is left if that is interrupted is removed by the next writer.
    pub(crate) fn remove_folder(&self, key: &str) -> Result<(), StoreError> {
        let path = self.path(key);
        let parent = path.parent().unwrap_or(&self.root);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let hidden = parent.join(format!("{PREFIX}removed-{name}"));
        match fs::rename(&path, &hidden) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(at(&path))?,
        }
        match fs::remove_dir_all(&hidden) {
            // Another writer has taken it for a leftover.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(at(&hidden))?,
        }
        // As in S3, which has no folders, an empty one is none. It fails on one that is not empty.
        let _ = fs::remove_dir(parent);
        Ok(())
    }

    pub(crate) fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
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
                // Hidden files and folders are being written.
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                if kind.is_dir() { folders.push(key) } else { keys.push(key) }
            }
        }
        Ok(keys)
    }

    pub(crate) fn stage(&self, parent: &str) -> Result<AtomicFolder, StoreError> {
        Ok(AtomicFolder::create_in(&self.path(parent))?)
    }

    pub(crate) fn commit(
        &self,
        staging: AtomicFolder,
        target: &str,
        manifest: &[u8],
    ) -> Result<bool, StoreError> {
        let path = staging.path().join(MANIFEST);
        fs::write(&path, manifest).map_err(at(&path))?;
        Ok(staging.commit_new(&self.path(target))?)
    }
}

fn open_existing(path: &Path) -> Result<Option<fs::File>, StoreError> {
    match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some).map_err(at(path)),
    }
}

/// Waits for the lock on a folder; the returned file holds it.
fn lock_folder(path: &Path) -> Result<fs::File, StoreError> {
    let folder = fs::File::open(path).map_err(at(path))?;
    folder.lock().map_err(at(path))?;
    Ok(folder)
}
