//! Lock of a run's folder: two processes that train the same run would write the same checkpoints.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use store::PathError;

use super::error::CheckpointError;
use super::layout::LOCK;

/// Held by the process that trains a run. It ends with the process, however that ends.
#[derive(Debug)]
pub struct RunLock {
    path: PathBuf,
    _file: File,
}

impl RunLock {
    pub(super) fn acquire(folder: &Path) -> Result<Self, CheckpointError> {
        let path = folder.join(LOCK);
        loop {
            fs::create_dir_all(folder).map_err(PathError::at(folder))?;
            // A file that is opened for writing can be locked on network file systems too.
            let file = File::options().create(true).truncate(false).write(true).open(&path);
            let file = file.map_err(PathError::at(&path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(CheckpointError::Locked { path }),
                // A file system without locks cannot protect anyone.
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => return Err(PathError::at(&path)(error).into()),
            }
            // Whoever held it before may have removed it after it was opened here.
            let is_current = match (file.metadata(), fs::metadata(&path)) {
                (Ok(ours), Ok(current)) => ours.ino() == current.ino(),
                _ => false,
            };
            if is_current {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for RunLock {
    /// Leaves no folder behind of a run of which nothing is left.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        for folder in self.path.ancestors().skip(1).take(2) {
            // It fails on a folder that is not empty.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}
