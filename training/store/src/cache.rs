//! Cache of downloads: a folder that belongs to its user alone, and leases on the versions in it.
//!
//! A file is verified and then opened by its path, so whoever may write in the folder could exchange it in between.
//! Several servers may share a cache: each holds a lease on the version that it loads and serves, a shared lock
//! (`flock`) on its folder, and removes only versions that nobody holds.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{StoreError, at};
use crate::layout::MODELS;

/// Bits of a mode that let others than the owner do something.
const OTHERS: u32 = 0o077;
/// The bit of `/tmp`: others may add files, but neither remove nor rename those of somebody else.
const STICKY: u32 = 0o1000;
/// How often the folder of a version is made again that another process removes before it is locked.
const MAX_ATTEMPTS: usize = 16;

/// The lock on a version's folder in a cache, until this is dropped.
#[derive(Debug)]
pub struct Lease {
    _folder: File,
}

/// A cache of this user in the system's folder for temporary files, which need not exist yet.
pub fn default_cache() -> PathBuf {
    std::env::temp_dir().join(format!("troelsllm-models-{}", user()))
}

/// Makes the folder of a cache and the one for models in it, with mode 0700, or checks that those that are there
/// belong to this user.
pub(crate) fn prepare(cache: &Path) -> Result<(), StoreError> {
    make_private(cache)?;
    let found = fs::metadata(cache).map_err(at(cache))?;
    let is_mine = found.uid() == user();
    if is_mine && found.mode() & OTHERS != 0 && holds_nothing_else(cache)? {
        set_private(cache)?;
    } else if !(is_mine || found.uid() == 0) || others_write(&found) {
        // A folder of the system's, such as /tmp, does for the one in it.
        return Err(not_private(cache, &found));
    }
    let models = cache.join(MODELS);
    make_private(&models)?;
    let found = fs::symlink_metadata(&models).map_err(at(&models))?;
    let is_mine = found.uid() == user();
    // Root's, if nobody else may write: models that are part of an image.
    if !found.is_dir() || !(is_mine || found.uid() == 0 && found.mode() & 0o022 == 0) {
        return Err(not_private(&models, &found));
    }
    if is_mine && found.mode() & OTHERS != 0 { set_private(&models) } else { Ok(()) }
}

/// Whether others may remove and rename what is in a folder.
fn others_write(folder: &fs::Metadata) -> bool {
    folder.mode() & 0o002 != 0 && folder.mode() & STICKY == 0
}

/// Whether a folder is a cache and nothing else.
fn holds_nothing_else(cache: &Path) -> Result<bool, StoreError> {
    for entry in fs::read_dir(cache).map_err(at(cache))? {
        if entry.map_err(at(cache))?.file_name() != MODELS {
            return Ok(false);
        }
    }
    Ok(true)
}

fn set_private(folder: &Path) -> Result<(), StoreError> {
    fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(at(folder))
}

fn make_private(folder: &Path) -> Result<(), StoreError> {
    match DirBuilder::new().recursive(true).mode(0o700).create(folder) {
        // Something else is there; what, is looked at next.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(at(folder)),
    }
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn not_private(path: &Path, found: &fs::Metadata) -> StoreError {
    StoreError::NotPrivate { path: path.to_owned(), owner: found.uid(), mode: found.mode() & 0o7777 }
}

impl Lease {
    /// Makes the folder of a version, if it is not there, and holds it.
    pub(crate) fn on(folder: &Path) -> Result<Self, StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            make_private(folder)?;
            let opened = match File::open(folder) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                other => other.map_err(at(folder))?,
            };
            // Waits at most while another process removes the folder; then it is made again.
            opened.lock_shared().or_else(without_locks).map_err(at(folder))?;
            if is_at(&opened, folder) {
                return Ok(Self { _folder: opened });
            }
        }
        Err(at(folder)(io::Error::other("other processes remove it again and again")))
    }
}

/// Whether the open folder is still the one at this path.
fn is_at(opened: &File, path: &Path) -> bool {
    let (Ok(opened), Ok(found)) = (opened.metadata(), fs::symlink_metadata(path)) else { return false };
    (opened.dev(), opened.ino()) == (found.dev(), found.ino())
}

/// On a file system without locks there are none; nothing is removed there either.
fn without_locks(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::Unsupported { Ok(()) } else { Err(error) }
}

/// Removes the folders beside `kept` that nobody holds.
pub(crate) fn remove_others(kept: &Path) -> Result<(), StoreError> {
    let Some(versions) = kept.parent().filter(|versions| versions.is_dir()) else { return Ok(()) };
    for entry in fs::read_dir(versions).map_err(at(versions))? {
        let entry = entry.map_err(at(versions))?;
        let path = entry.path();
        if path == kept || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        // The lock is held until the folder is gone.
        let Ok(folder) = File::open(&path) else { continue };
        if folder.try_lock().is_ok() && is_at(&folder, &path) {
            fs::remove_dir_all(&path).map_err(at(&path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_cache_is_made_for_its_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("new/cache");
        prepare(&cache).unwrap();
        assert_eq!((mode(&cache), mode(&cache.join(MODELS))), (0o700, 0o700));
        // One of an earlier version of this program.
        for folder in [&cache, &cache.join(MODELS)] {
            fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
        }
        prepare(&cache).unwrap();
        assert_eq!((mode(&cache), mode(&cache.join(MODELS))), (0o700, 0o700));
        // A folder with other things in it is left as it is.
        fs::write(cache.join("notes"), "").unwrap();
        fs::set_permissions(&cache, Permissions::from_mode(0o755)).unwrap();
        prepare(&cache).unwrap();
        assert_eq!((mode(&cache), mode(&cache.join(MODELS))), (0o755, 0o700));
    }

    #[test]
    fn a_cache_that_others_could_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        fs::create_dir(&cache).unwrap();
        fs::write(cache.join("notes"), "").unwrap();
        fs::set_permissions(&cache, Permissions::from_mode(0o777)).unwrap();
        let error = prepare(&cache).unwrap_err().to_string();
        assert!(error.contains("mode 0777") && error.contains("--cache"), "{error}");
        // As /tmp is.
        fs::set_permissions(&cache, Permissions::from_mode(0o1777)).unwrap();
        prepare(&cache).unwrap();
        // Somebody has laid a link, so that files come to lie elsewhere.
        fs::remove_dir(cache.join(MODELS)).unwrap();
        std::os::unix::fs::symlink(folder.path(), cache.join(MODELS)).unwrap();
        assert!(matches!(prepare(&cache).unwrap_err(), StoreError::NotPrivate { .. }));
    }

    #[test]
    fn a_folder_of_another_user_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        fs::create_dir(&cache).unwrap();
        // Only root can give a folder away.
        if std::os::unix::fs::chown(&cache, Some(12_345), None).is_err() {
            return;
        }
        let error = prepare(&cache).unwrap_err().to_string();
        assert!(error.contains("belongs to user 12345"), "{error}");
    }

    #[test]
    fn what_another_process_uses_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new] = ["v1", "v2"].map(|name| folder.path().join(name));
        let held = Lease::on(&old).unwrap();
        let _kept = Lease::on(&new).unwrap();
        fs::write(old.join("model.onnx"), "graph").unwrap();
        remove_others(&new).unwrap();
        assert!(old.join("model.onnx").exists());
        drop(held);
        remove_others(&new).unwrap();
        assert!(!old.exists() && new.exists());
    }

    /// A lease that is taken while others remove the folder is on one that is there.
    #[test]
    fn a_lease_is_on_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let [wanted, other] = ["v1", "v2"].map(|name| folder.path().join(name));
        let _other = Lease::on(&other).unwrap();
        std::thread::scope(|scope| {
            let removes = scope.spawn(|| (0..200).for_each(|_| remove_others(&other).unwrap()));
            for _ in 0..200 {
                let lease = Lease::on(&wanted).unwrap();
                fs::write(wanted.join("model.onnx"), "graph").unwrap();
                assert_eq!(fs::read(wanted.join("model.onnx")).unwrap(), b"graph");
                drop(lease);
            }
            removes.join().unwrap();
        });
    }
}
