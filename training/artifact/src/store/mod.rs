//! Where model versions lie, and which of them a channel names.
//!
//! ```text
//! <store>/models/<name>/<version>/    immutable; manifest.json is the commit point
//! <store>/channels/<channel>.json     which version is live; replaced atomically
//! ```
//!
//! A version is staged in a hidden folder beside its final place and renamed when it is complete,
//! so a reader sees all of it or nothing. A channel is replaced by a rename as well.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::error::StoreError;
use crate::hash::Sha256Hex;
use crate::manifest::{FileEntry, FileRole, Manifest, is_safe_name};

mod error;

/// File name of the manifest in a version's folder.
pub const MANIFEST: &str = "manifest.json";

/// How the names of folders begin in which versions are staged.
const STAGING: &str = ".staging-";

/// More than any manifest or channel needs, and little enough to read without care.
const MAX_JSON_BYTES: u64 = 1 << 20;

/// A version by name and content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRef {
    /// Name of the model.
    pub name: String,
    /// Which of its versions.
    pub version: String,
    /// Digest of its manifest, and so of everything in it.
    pub manifest_sha256: Sha256Hex,
}

/// A channel: the version that is live, and the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// The live version.
    #[serde(flatten)]
    pub current: VersionRef,
    /// The version that was live before it.
    pub previous: Option<VersionRef>,
}

/// A store in a directory.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The store in `root`, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Begins a new version of a model: files are added to a hidden folder, and nothing is visible
    /// to readers before [`StagedVersion::publish`]. What writers that were killed have left behind
    /// is removed.
    ///
    /// # Errors
    /// If the name is unsafe or the folder cannot be made.
    pub fn stage(&self, name: &str) -> Result<StagedVersion, StoreError> {
        let parent = self.root.join("models").join(checked_name("model", name)?);
        fs::create_dir_all(&parent).map_err(at(&parent))?;
        // Until this is dropped, no folder here can be found before its writer has locked it.
        let _turn = lock_folder(&parent)?;
        remove_abandoned(&parent)?;
        let folder = tempfile::Builder::new().prefix(STAGING).tempdir_in(&parent).map_err(at(&parent))?;
        let lock = lock_folder(folder.path())?;
        Ok(StagedVersion { folder, _lock: lock, files: Vec::new() })
    }

    /// Makes `target` the live version of a channel and remembers the one before it.
    ///
    /// # Errors
    /// If the name is unsafe, the channel's file is damaged or cannot be written.
    pub fn set_channel(&self, channel: &str, target: &VersionRef) -> Result<(), StoreError> {
        let path = self.channel_path(channel)?;
        let parent = self.root.join("channels");
        fs::create_dir_all(&parent).map_err(at(&parent))?;
        // Held until the end of the function: what is read as the previous version must still be it.
        let lock_path = parent.join(".lock");
        let lock = fs::File::create(&lock_path).map_err(at(&lock_path))?;
        lock.lock().map_err(at(&lock_path))?;

        let previous = match self.channel(channel) {
            Ok(existing) if existing.current == *target => return Ok(()),
            Ok(existing) => Some(existing.current),
            Err(StoreError::NoChannel { .. }) => None,
            Err(error) => return Err(error),
        };
        let pointer = Channel { current: target.clone(), previous };
        let json = serde_json::to_vec_pretty(&pointer)
            .map_err(|source| StoreError::Channel { path: path.clone(), source })?;
        let mut file = tempfile::NamedTempFile::new_in(&parent).map_err(at(&parent))?;
        file.write_all(&json).and_then(|()| file.as_file().sync_all()).map_err(at(file.path()))?;
        make_readable(file.path(), 0o644)?;
        file.persist(&path).map_err(|error| StoreError::Io { path: path.clone(), source: error.error })?;
        Ok(())
    }

    /// Reads a channel.
    ///
    /// # Errors
    /// If it does not exist or is not a channel.
    pub fn channel(&self, channel: &str) -> Result<Channel, StoreError> {
        let path = self.channel_path(channel)?;
        let json = match read_small(&path) {
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::NoChannel { channel: channel.to_owned(), path });
            }
            other => other?,
        };
        serde_json::from_slice(&json).map_err(|source| StoreError::Channel { path, source })
    }

    /// Opens the version that a reference names, and checks that its manifest is the one meant.
    ///
    /// # Errors
    /// If the manifest is missing, damaged, or of another format version.
    pub fn open(&self, reference: &VersionRef) -> Result<ModelVersion, StoreError> {
        let name = checked_name("model", &reference.name)?;
        let version = checked_name("version", &reference.version)?;
        let folder = self.root.join("models").join(name).join(version);
        let path = folder.join(MANIFEST);
        let json = read_small(&path)?;
        expect_equal(
            &path,
            "sha256",
            reference.manifest_sha256.as_str(),
            Sha256Hex::of_bytes(&json).as_str(),
        )?;
        let manifest = Manifest::from_json(&json)
            .map_err(|source| StoreError::Manifest { path: path.clone(), source })?;
        expect_equal(&path, "version", &reference.version, &manifest.version)?;
        Ok(ModelVersion { folder, manifest })
    }

    fn channel_path(&self, channel: &str) -> Result<PathBuf, StoreError> {
        Ok(self.root.join("channels").join(format!("{}.json", checked_name("channel", channel)?)))
    }
}

/// A version being written.
#[derive(Debug)]
pub struct StagedVersion {
    folder: tempfile::TempDir,
    /// Tells others that the writer is alive; the system releases it when the process ends.
    _lock: fs::File,
    files: Vec<FileEntry>,
}

impl StagedVersion {
    /// Where a file of this name is to be written, before it is [`add`](Self::add)ed.
    pub fn path(&self, file_name: &str) -> PathBuf {
        self.folder.path().join(file_name)
    }

    /// Lists a file that lies at [`path`](Self::path), with its hash.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn add(&mut self, file_name: &str, role: FileRole) -> Result<&FileEntry, StoreError> {
        let path = self.path(file_name);
        let file = fs::File::open(&path).map_err(at(&path))?;
        file.sync_all().map_err(at(&path))?;
        let (sha256, bytes) = Sha256Hex::of_file(&path).map_err(at(&path))?;
        let index = self.files.len();
        self.files.push(FileEntry { path: checked_name("file", file_name)?.to_owned(), role, bytes, sha256 });
        Ok(&self.files[index])
    }

    /// The files added so far.
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// Writes the manifest and makes the version visible, all at once.
    ///
    /// # Errors
    /// If the version exists already or cannot be written; then nothing is left behind.
    pub fn publish(self, manifest: &Manifest) -> Result<VersionRef, StoreError> {
        let path = self.path(MANIFEST);
        let json =
            manifest.to_json().map_err(|source| StoreError::Manifest { path: path.clone(), source })?;
        // What a reader would refuse is not published.
        Manifest::from_json(&json).map_err(|source| StoreError::Manifest { path: path.clone(), source })?;
        let mut file = fs::File::create(&path).map_err(at(&path))?;
        file.write_all(&json).and_then(|()| file.sync_all()).map_err(at(&path))?;
        make_readable(self.folder.path(), 0o755)?;

        let target = self.folder.path().with_file_name(checked_name("version", &manifest.version)?);
        // A rename replaces only an empty folder, so it cannot change a version that exists.
        fs::rename(self.folder.path(), &target).map_err(|source| match source.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                StoreError::VersionExists { path: target.clone() }
            }
            _ => StoreError::Io { path: target.clone(), source },
        })?;
        let _ = self.folder.keep();
        Ok(VersionRef {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            manifest_sha256: Sha256Hex::of_bytes(&json),
        })
    }
}

/// A published version, its manifest verified.
#[derive(Clone, Debug)]
pub struct ModelVersion {
    folder: PathBuf,
    /// What it consists of.
    pub manifest: Manifest,
}

impl ModelVersion {
    /// The path of a file of this version, after its length and hash have been verified.
    ///
    /// # Errors
    /// If it is missing or not what was published.
    pub fn verified_file(&self, entry: &FileEntry) -> Result<PathBuf, StoreError> {
        let path = self.folder.join(&entry.path);
        // The length first: it is free, and most damage shows in it.
        let length = fs::metadata(&path).map_err(at(&path))?.len();
        expect_equal(&path, "length", &entry.bytes.to_string(), &length.to_string())?;
        let (sha256, _) = Sha256Hex::of_file(&path).map_err(at(&path))?;
        expect_equal(&path, "sha256", entry.sha256.as_str(), sha256.as_str())?;
        Ok(path)
    }

    /// The error of a reader that does not find what it needs in the manifest.
    pub fn no_such_file(&self, what: impl Into<String>) -> StoreError {
        StoreError::NoSuchFile { path: self.folder.join(MANIFEST), what: what.into() }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { path, source }
}

fn checked_name<'a>(what: &'static str, name: &'a str) -> Result<&'a str, StoreError> {
    if is_safe_name(name) { Ok(name) } else { Err(StoreError::Name { what, name: name.to_owned() }) }
}

fn expect_equal(path: &Path, property: &'static str, expected: &str, found: &str) -> Result<(), StoreError> {
    if expected == found {
        return Ok(());
    }
    Err(StoreError::Mismatch {
        path: path.to_owned(),
        property,
        expected: expected.to_owned(),
        found: found.to_owned(),
    })
}

/// Waits for the lock on a folder, which the file that is returned holds.
fn lock_folder(path: &Path) -> Result<fs::File, StoreError> {
    let folder = fs::File::open(path).map_err(at(path))?;
    folder.lock().map_err(at(path))?;
    Ok(folder)
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

fn read_small(path: &Path) -> Result<Vec<u8>, StoreError> {
    let file = fs::File::open(path).map_err(at(path))?;
    let mut bytes = Vec::new();
    file.take(MAX_JSON_BYTES + 1).read_to_end(&mut bytes).map_err(at(path))?;
    if bytes.len() as u64 > MAX_JSON_BYTES {
        let source =
            io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {MAX_JSON_BYTES} bytes"));
        return Err(at(path)(source));
    }
    Ok(bytes)
}

/// Temporary files and folders are private to their owner; what is published is for every reader.
fn make_readable(path: &Path, mode: u32) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(at(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::example;

    fn publish(store: &Store, version: &str) -> VersionRef {
        let mut staged = store.stage("the-verdict").unwrap();
        fs::write(staged.path("model.onnx"), "graph").unwrap();
        staged.add("model.onnx", FileRole::Onnx).unwrap();
        let manifest = Manifest { version: version.to_owned(), files: staged.files().to_vec(), ..example() };
        staged.publish(&manifest).unwrap()
    }

    fn visible(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_published_is_read_back() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let reference = publish(&store, "v1");
        store.set_channel("live", &reference).unwrap();

        let opened = store.open(&store.channel("live").unwrap().current).unwrap();
        let path = opened.verified_file(opened.manifest.file("model.onnx").unwrap()).unwrap();
        assert_eq!(fs::read(path).unwrap(), b"graph");
        assert_eq!(visible(&root.path().join("models/the-verdict")), ["v1"]);
    }

    #[test]
    fn a_channel_remembers_the_version_before() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let (first, second) = (publish(&store, "v1"), publish(&store, "v2"));
        store.set_channel("live", &first).unwrap();
        store.set_channel("live", &second).unwrap();
        // Setting it again changes nothing, so a retry does not forget the version before.
        store.set_channel("live", &second).unwrap();
        assert_eq!(store.channel("live").unwrap(), Channel { current: second, previous: Some(first) });
    }

    #[test]
    fn an_abandoned_version_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let staged = Store::new(root.path()).stage("the-verdict").unwrap();
        fs::write(staged.path("model.onnx"), "half").unwrap();
        drop(staged);
        assert!(visible(&root.path().join("models/the-verdict")).is_empty());
    }

    #[test]
    fn what_a_killed_writer_left_is_removed_and_a_living_writers_is_not() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let living = store.stage("the-verdict").unwrap();
        let abandoned = root.path().join("models/the-verdict/.staging-killed");
        fs::create_dir(&abandoned).unwrap();
        fs::write(abandoned.join("model.onnx"), "half").unwrap();
        let other = store.stage("the-verdict").unwrap();
        assert!(!abandoned.exists());
        assert!(living.path("").exists() && other.path("").exists());
    }

    #[test]
    fn a_version_is_never_changed() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        publish(&store, "v1");
        let staged = store.stage("the-verdict").unwrap();
        let error = staged.publish(&Manifest { version: "v1".to_owned(), ..example() }).unwrap_err();
        assert!(matches!(error, StoreError::VersionExists { .. }), "{error}");
        assert_eq!(visible(&root.path().join("models/the-verdict")), ["v1"]);
    }

    #[test]
    fn damage_is_found_and_named() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let reference = publish(&store, "v1");
        let folder = root.path().join("models/the-verdict/v1");
        let version = store.open(&reference).unwrap();
        let entry = version.manifest.file("model.onnx").unwrap();

        let complaint = |contents: &str| {
            fs::write(folder.join("model.onnx"), contents).unwrap();
            version.verified_file(entry).unwrap_err().to_string()
        };
        assert!(complaint("grape").contains("sha256"));
        assert!(complaint("gr").contains("its length is 2, expected 5"));
        fs::remove_file(folder.join("model.onnx")).unwrap();
        assert!(version.verified_file(entry).unwrap_err().to_string().contains("model.onnx"));

        fs::write(folder.join(MANIFEST), "{}").unwrap();
        let error = store.open(&reference).unwrap_err();
        assert!(matches!(error, StoreError::Mismatch { property: "sha256", .. }), "{error}");
        fs::remove_file(folder.join(MANIFEST)).unwrap();
        assert!(store.open(&reference).unwrap_err().to_string().contains(MANIFEST));
    }

    #[test]
    fn a_damaged_or_missing_channel_is_named() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let error = store.channel("live").unwrap_err();
        assert!(error.to_string().contains("no channel `live`"), "{error}");
        assert!(matches!(store.channel("../models").unwrap_err(), StoreError::Name { .. }));

        fs::create_dir_all(root.path().join("channels")).unwrap();
        fs::write(root.path().join("channels/live.json"), "{\"name\": ").unwrap();
        assert!(matches!(store.channel("live").unwrap_err(), StoreError::Channel { .. }));
        fs::write(root.path().join("channels/live.json"), vec![b' '; MAX_JSON_BYTES as usize + 1]).unwrap();
        assert!(store.channel("live").unwrap_err().to_string().contains("longer than"));
    }
}
