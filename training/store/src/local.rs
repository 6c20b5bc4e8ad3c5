//! Files that appear whole or not at all.

use std::fs;
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

use super::error::StoreError;

/// Names the file that an error is about.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { path, source }
}

/// Makes the folder that is to hold `path`, and returns it.
pub(super) fn make_parent(path: &Path) -> Result<&Path, StoreError> {
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(at(parent))?;
    Ok(parent)
}

/// A file under a temporary name in the folder that is to hold `path`.
pub(super) fn temporary_beside(path: &Path) -> Result<NamedTempFile, StoreError> {
    let parent = make_parent(path)?;
    NamedTempFile::new_in(parent).map_err(at(parent))
}

/// Checks that there is room for `bytes` bytes where `path` is: a disk that fills up while a file is
/// written is in the way of others too.
pub(super) fn check_space(path: &Path, bytes: u64) -> Result<(), StoreError> {
    let place = rustix::fs::statvfs(path).map_err(|error| at(path)(error.into()))?;
    let free = place.f_bavail * place.f_frsize;
    if free < bytes {
        return Err(StoreError::NoSpace { path: path.to_owned(), needed: bytes, free });
    }
    Ok(())
}

/// Gives a file that is complete its name.
pub(super) fn persist(file: NamedTempFile, path: &Path) -> Result<(), StoreError> {
    file.as_file().sync_all().map_err(at(file.path()))?;
    persist_unsynced(file, path)
}

/// The same for a file that is verified before each use: it need not survive the machine, and so is not
/// waited for.
pub(super) fn persist_unsynced(file: NamedTempFile, path: &Path) -> Result<(), StoreError> {
    make_readable(file.path(), 0o644)?;
    file.persist(path).map_err(|error| at(path)(error.error))?;
    Ok(())
}

/// Temporary files and folders are private to their owner; what is published is for every reader.
pub(super) fn make_readable(path: &Path, mode: u32) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(at(path))
}

/// Waits for the lock on a folder, which the file that is returned holds.
pub(super) fn lock_folder(path: &Path) -> Result<fs::File, StoreError> {
    let folder = fs::File::open(path).map_err(at(path))?;
    folder.lock().map_err(at(path))?;
    Ok(folder)
}
