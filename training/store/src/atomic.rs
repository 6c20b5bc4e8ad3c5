//! Atomic writes: a file or folder is written beside its place, synced, and renamed into it.
//!
//! A reader sees the old contents or the new ones, whole, at every moment. What a writer leaves when it
//! is dropped without a commit is removed at once; what it leaves when it is killed is removed by the
//! next writer in the same folder.
//!
//! # Durability
//! A commit sets the modes (0644 for files, 0755 for folders, however private they were written), syncs
//! the files and the folders in which they lie, renames, and syncs the folder that holds the new name as
//! well as the folders that had to be made for it. So what is committed survives a power failure, and
//! after one before that the old contents are there. [`AtomicFile::commit_unsynced`] is for caches whose
//! files are verified before each use.
//!
//! # Leftovers
//! A temporary file or folder is hidden, its name begins with [`PREFIX`], and its writer holds a lock
//! (`flock`) on it, which the system releases when the process ends. Writers remove what has such a name
//! and no lock. On a file system without locks nothing is removed.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::{NamedTempFile, TempDir};

/// How the names of temporary files and folders begin. Nobody else's files are called so: those without
/// a lock are removed.
pub const PREFIX: &str = ".troelsllm-partial-";

/// How often a temporary name is tried that another writer takes for a leftover before it is locked.
const MAX_ATTEMPTS: usize = 16;

/// An I/O error and the file or folder that it is about.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct PathError {
    /// The file or folder.
    pub path: PathBuf,
    /// The error of the file system.
    #[source]
    pub source: io::Error,
}

impl PathError {
    /// Names the file that an I/O error is about: `File::open(path).map_err(PathError::at(path))?`.
    pub fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self { path, source }
    }
}

/// A new file that appears at its path when it is complete, in place of an older one if there is one.
///
/// ```no_run
/// # use std::{io::Write, path::Path};
/// # use store::{AtomicFile, PathError};
/// # fn example(path: &Path) -> Result<(), PathError> {
/// let mut file = AtomicFile::create(path)?;
/// file.write_all(b"contents").map_err(PathError::at(path))?;
/// file.commit()
/// # }
/// ```
#[derive(Debug)]
pub struct AtomicFile {
    file: NamedTempFile,
    target: PathBuf,
    /// Folders that get a new entry: the one of the file, and those above it that lacked one.
    parents: Vec<PathBuf>,
    _lock: File,
}

impl AtomicFile {
    /// Begins the file that is to lie at `target`, and makes the folders above it.
    ///
    /// # Errors
    /// If the folder cannot be made or written.
    pub fn create(target: &Path) -> Result<Self, PathError> {
        let parent = parent_of(target);
        let parents = make_folder(parent)?;
        remove_abandoned(parent);
        let make = || tempfile::Builder::new().prefix(PREFIX).tempfile_in(parent);
        let (file, lock) = locked(parent, make, NamedTempFile::path)?;
        Ok(Self { file, target: target.to_owned(), parents, _lock: lock })
    }

    /// The path under which it can be written by others until it is committed.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Syncs the file and gives it its name.
    ///
    /// # Errors
    /// If it cannot be synced or renamed, and then the older file is still there; or if its folder cannot
    /// be synced, and then it has its name but need not survive a power failure.
    pub fn commit(self) -> Result<(), PathError> {
        set_mode(self.path(), 0o644)?;
        sync(self.path())?;
        self.file.persist(&self.target).map_err(|error| PathError::at(&self.target)(error.error))?;
        self.parents.iter().try_for_each(|parent| sync(parent))
    }

    /// Gives the file its name without waiting for the disk: after a power failure it may be damaged.
    ///
    /// # Errors
    /// If it cannot be renamed.
    pub fn commit_unsynced(self) -> Result<(), PathError> {
        set_mode(self.path(), 0o644)?;
        self.file.persist(&self.target).map_err(|error| PathError::at(&self.target)(error.error))?;
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A new folder that appears with all its files at once.
///
/// ```no_run
/// # use std::{fs, path::Path};
/// # use store::{AtomicFolder, PathError};
/// # fn example(target: &Path) -> Result<(), PathError> {
/// let folder = AtomicFolder::beside(target)?;
/// let file = folder.path().join("weights");
/// fs::write(&file, b"contents").map_err(PathError::at(&file))?;
/// folder.commit_replacing(target)
/// # }
/// ```
#[derive(Debug)]
pub struct AtomicFolder {
    folder: TempDir,
    /// Folders that get a new entry: the one that holds it, and those above that lacked one.
    parents: Vec<PathBuf>,
    _lock: File,
}

impl AtomicFolder {
    /// Begins a folder that is to lie in the folder `parent`, which is made where it is missing.
    ///
    /// # Errors
    /// If `parent` cannot be made or written.
    pub fn create_in(parent: &Path) -> Result<Self, PathError> {
        let parents = make_folder(parent)?;
        remove_abandoned(parent);
        let make = || tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent);
        let (folder, lock) = locked(parent, make, TempDir::path)?;
        Ok(Self { folder, parents, _lock: lock })
    }

    /// Begins a folder that is to lie at `target`.
    ///
    /// # Errors
    /// If the folder that holds `target` cannot be made or written.
    pub fn beside(target: &Path) -> Result<Self, PathError> {
        Self::create_in(parent_of(target))
    }

    /// Where its files are to be written until it is committed.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Syncs the folder and names it `target`, a path in the parent; `false` if there is something
    /// already, which is left as it is. An empty folder counts as nothing.
    ///
    /// # Errors
    /// If it cannot be synced or renamed, and then it is removed; or if the parent cannot be synced, and
    /// then it has its name but need not survive a power failure.
    pub fn commit_new(self, target: &Path) -> Result<bool, PathError> {
        settle(self.path())?;
        match fs::rename(self.path(), target) {
            Ok(()) => self.renamed().map(|()| true),
            Err(error) if is_occupied(&error) => Ok(false),
            Err(error) => Err(PathError::at(target)(error)),
        }
    }

    /// Syncs the folder and names it `target`, a path in the parent, in place of an older folder. Both
    /// exchange their names at once, where the file system can do that (ext4, XFS, Btrfs, tmpfs, APFS);
    /// elsewhere the older one is removed first.
    ///
    /// # Errors
    /// As [`commit_new`](Self::commit_new).
    pub fn commit_replacing(self, target: &Path) -> Result<(), PathError> {
        settle(self.path())?;
        match fs::rename(self.path(), target) {
            Ok(()) => return self.renamed(),
            Err(error) if is_occupied(&error) => {}
            Err(error) => return Err(PathError::at(target)(error)),
        }
        match renameat_with(CWD, self.path(), CWD, target, RenameFlags::EXCHANGE).map_err(io::Error::from) {
            // The temporary name is now that of the older folder, which goes when `self` is dropped.
            Ok(()) => self.sync_parents(),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
            {
                fs::remove_dir_all(target).map_err(PathError::at(target))?;
                fs::rename(self.path(), target).map_err(PathError::at(target))?;
                self.renamed()
            }
            Err(error) => Err(PathError::at(target)(error)),
        }
    }

    /// Nothing is left under the temporary name.
    fn renamed(mut self) -> Result<(), PathError> {
        self.folder.disable_cleanup(true);
        self.sync_parents()
    }

    fn sync_parents(&self) -> Result<(), PathError> {
        self.parents.iter().try_for_each(|parent| sync(parent))
    }
}

/// The folder that holds a path; the working folder for a mere name.
fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// Makes a folder, and returns it and those above it that get a new entry by this.
fn make_folder(folder: &Path) -> Result<Vec<PathBuf>, PathError> {
    let mut parents = vec![folder.to_owned()];
    for missing in folder.ancestors().take_while(|folder| !folder.exists()) {
        parents.push(parent_of(missing).to_owned());
    }
    fs::create_dir_all(folder).map_err(PathError::at(folder))?;
    Ok(parents)
}

/// Makes something temporary and locks it. Another writer may have found it without its lock and removed
/// it: then the next one is made.
fn locked<T>(
    parent: &Path,
    make: impl Fn() -> io::Result<T>,
    path: impl Fn(&T) -> &Path,
) -> Result<(T, File), PathError> {
    let at = || PathError::at(parent);
    for _ in 0..MAX_ATTEMPTS {
        let temporary = make().map_err(at())?;
        let lock = match File::open(path(&temporary)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(at())?,
        };
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => {
                return Err(at()(error));
            }
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        if path(&temporary).exists() {
            return Ok((temporary, lock));
        }
    }
    Err(at()(io::Error::other("other writers remove every temporary file")))
}

/// Removes what killed writers have left. What cannot be removed is left to the next writer.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        // Nothing else is made here, and opening a pipe would wait for its other end.
        if !(kind.is_dir() || kind.is_file()) {
            continue;
        }
        // The lock is held while it is removed: whoever made it a moment ago sees this and makes another.
        if let Ok(leftover) = File::open(&path)
            && leftover.try_lock().is_ok()
        {
            let _ = if kind.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
}

/// Sets the modes in a folder and syncs all that is in it.
fn settle(folder: &Path) -> Result<(), PathError> {
    for entry in fs::read_dir(folder).map_err(PathError::at(folder))? {
        let entry = entry.map_err(PathError::at(folder))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(PathError::at(folder))?);
        if kind.is_dir() {
            settle(&path)?;
        } else if kind.is_file() {
            set_mode(&path, 0o644)?;
            sync(&path)?;
        }
    }
    set_mode(folder, 0o755)?;
    sync(folder)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), PathError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(PathError::at(path))
}

fn sync(path: &Path) -> Result<(), PathError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(PathError::at(path))
}

/// Whether a folder could not be renamed because there is one that is not empty.
fn is_occupied(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists)
}
