//! Published versions of models: immutable, complete or absent, verified when read.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use artifact::hash::Sha256Hex;
use artifact::manifest::{FileEntry, FileRole, Manifest};
use artifact::{chat, tokenizer};
use serde::{Deserialize, Serialize};

use crate::atomic::AtomicFile;
use crate::cache::{self, Lease};
use crate::error::{StoreError, at};
use crate::layout::{MANIFEST, MODELS, checked_name, manifests, model_folder, version_folder};
use crate::objects::Objects;
use crate::store::Store;
use crate::verify::{expect_equal, verify};

/// A version by name and content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRef {
    /// Name of the model.
    pub name: String,
    /// Name of the version.
    pub version: String,
    /// Digest of its manifest, and so of everything in it.
    pub manifest_sha256: Sha256Hex,
}

impl fmt::Display for VersionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

impl Store {
    /// Opens the version that a reference names, and verifies the digest of its manifest.
    ///
    /// # Errors
    /// If the manifest is missing, damaged, or of another format version.
    pub async fn open_version(&self, reference: &VersionRef) -> Result<ModelVersion, StoreError> {
        self.read_version(&reference.name, &reference.version, Some(&reference.manifest_sha256)).await
    }

    /// Opens a version by name, without a digest to verify its manifest.
    ///
    /// # Errors
    /// If the manifest is missing, damaged, or of another format version.
    pub async fn find_version(&self, name: &str, version: &str) -> Result<ModelVersion, StoreError> {
        self.read_version(name, version, None).await
    }

    /// The names of all models that have a version, sorted.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn models(&self) -> Result<Vec<String>, StoreError> {
        let keys = self.objects.list(MODELS).await?;
        let mut names: Vec<_> = manifests(&keys).map(|(name, _)| name.to_owned()).collect();
        names.dedup();
        Ok(names)
    }

    /// The complete versions of a model, sorted: the oldest first.
    ///
    /// # Errors
    /// If the name is unsafe or the store cannot be read.
    pub async fn versions(&self, name: &str) -> Result<Vec<String>, StoreError> {
        let keys = self.objects.list(&model_folder(name)?).await?;
        Ok(manifests(&keys).map(|(_, version)| version.to_owned()).collect())
    }

    async fn read_version(
        &self,
        name: &str,
        version: &str,
        expected: Option<&Sha256Hex>,
    ) -> Result<ModelVersion, StoreError> {
        let folder = version_folder(name, version)?;
        let key = format!("{folder}/{MANIFEST}");
        let location = self.objects.location(&key);
        let Some(object) = self.objects.read(&key).await? else {
            return Err(StoreError::NoVersion { location });
        };
        let manifest_sha256 = Sha256Hex::of_bytes(&object.bytes);
        if let Some(expected) = expected {
            expect_equal(&location, "sha256", expected.as_str(), manifest_sha256.as_str())?;
        }
        let found = ModelVersion::new(self.objects.clone(), folder, &location, &object.bytes)?;
        expect_equal(&location, "name", name, &found.manifest.name)?;
        expect_equal(&location, "version", version, &found.manifest.version)?;
        Ok(found)
    }
}

/// A published version, its manifest verified.
#[derive(Clone, Debug)]
pub struct ModelVersion {
    pub(crate) objects: Objects,
    folder: String,
    /// Its name and the digest of its manifest.
    pub reference: VersionRef,
    /// Its files and their origin.
    pub manifest: Manifest,
}

impl ModelVersion {
    /// Opens the version in a folder, which need not be part of a store.
    ///
    /// # Errors
    /// If the manifest is missing, damaged, or of another format version.
    pub async fn in_folder(path: &Path) -> Result<Self, StoreError> {
        let objects = Objects::in_folder(path);
        let location = objects.location(MANIFEST);
        match objects.read(MANIFEST).await? {
            Some(object) => Self::new(objects, String::new(), &location, &object.bytes),
            None => Err(StoreError::NoVersion { location }),
        }
    }

    fn new(objects: Objects, folder: String, location: &str, manifest: &[u8]) -> Result<Self, StoreError> {
        let refused = |source| StoreError::Manifest { location: location.to_owned(), source };
        let manifest_sha256 = Sha256Hex::of_bytes(manifest);
        let manifest = Manifest::from_json(manifest).map_err(refused)?;
        let (name, version) = (manifest.name.clone(), manifest.version.clone());
        let reference = VersionRef { name, version, manifest_sha256 };
        Ok(Self { objects, folder, reference, manifest })
    }

    pub(crate) fn key(&self, file_name: &str) -> String {
        if self.folder.is_empty() { file_name.to_owned() } else { format!("{}/{file_name}", self.folder) }
    }

    /// The local path of a file of this version, after its length and hash have been verified.
    ///
    /// A file in S3 is downloaded to `cache` first, unless it lies there from an earlier call. A file
    /// in a directory is used where it is.
    ///
    /// # Errors
    /// If it is missing or not what was published.
    pub async fn verified_file(&self, entry: &FileEntry, cache: &Path) -> Result<PathBuf, StoreError> {
        let key = self.key(checked_name("file", &entry.path)?);
        if let Some(path) = self.objects.local_path(&key) {
            verify(&path, entry).await?;
            return Ok(path);
        }
        cache::prepare(cache)?;
        let path = cache.join(&key);
        if verify(&path, entry).await.is_ok() {
            return Ok(path);
        }
        let location = self.objects.location(&key);
        let mut file = AtomicFile::create(&path)?;
        check_space(file.path(), entry.bytes)?;
        let Some((sha256, length)) = self.objects.fetch_known(&key, entry.bytes, &mut file).await? else {
            return Err(StoreError::NoFile { location });
        };
        expect_equal(&location, "length", &entry.bytes.to_string(), &length.to_string())?;
        expect_equal(&location, "sha256", entry.sha256.as_str(), sha256.as_str())?;
        // It is verified before each use, so it need not survive a power failure.
        file.commit_unsynced()?;
        Ok(path)
    }

    /// The tokenizer's file of this version, verified, if it carries one. A download goes to `cache`.
    ///
    /// # Errors
    /// If it is missing, not what was published, or longer than [`tokenizer::MAX_FILE_BYTES`].
    pub async fn tokenizer_file(&self, cache: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        self.small_file(FileRole::Tokenizer, tokenizer::MAX_FILE_BYTES, cache).await
    }

    /// The chat template of this version, verified, if it carries one. A download goes to `cache`.
    ///
    /// # Errors
    /// If it is missing, not what was published, or longer than [`chat::MAX_FILE_BYTES`].
    pub async fn chat_template_file(&self, cache: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        self.small_file(FileRole::ChatTemplate, chat::MAX_FILE_BYTES, cache).await
    }

    /// The contents of the file of a role, verified, if there is one.
    async fn small_file(
        &self,
        role: FileRole,
        max_bytes: u64,
        cache: &Path,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(entry) = self.manifest.files.iter().find(|file| file.role == role) else {
            return Ok(None);
        };
        if entry.bytes > max_bytes {
            let location = self.objects.location(&self.key(&entry.path));
            let (expected, found) = (format!("at most {max_bytes}"), entry.bytes.to_string());
            return Err(StoreError::Mismatch { location, property: "length", expected, found });
        }
        let path = self.verified_file(entry, cache).await?;
        Ok(Some(fs::read(&path).map_err(at(&path))?))
    }

    /// Keeps other processes from removing the downloads of this version from `cache`; `None` if nothing is downloaded,
    /// since the store is a directory.
    ///
    /// # Errors
    /// If the folder cannot be made or locked, or others could change what is in it.
    pub fn lease(&self, cache: &Path) -> Result<Option<Lease>, StoreError> {
        if self.objects.local_path(&self.key(MANIFEST)).is_some() {
            return Ok(None);
        }
        cache::prepare(cache)?;
        Lease::on(&cache.join(&self.folder)).map(Some)
    }

    /// Removes the downloads of other versions of this model from `cache`, unless a process has a
    /// [lease](Self::lease) on them. One that has merely opened their files keeps those.
    ///
    /// # Errors
    /// If a folder cannot be read or removed.
    pub fn remove_others(&self, cache: &Path) -> Result<(), StoreError> {
        if self.objects.local_path(&self.key(MANIFEST)).is_some() {
            return Ok(());
        }
        cache::remove_others(&cache.join(&self.folder))
    }

    /// The error of a reader whose file is not in the manifest.
    pub fn no_such_file(&self, what: impl Into<String>) -> StoreError {
        let location = self.objects.location(&self.key(MANIFEST));
        StoreError::NoSuchFile { location, what: what.into() }
    }
}

/// Checks that there is room for `bytes` bytes where `path` is: a full disk would hinder others too.
fn check_space(path: &Path, bytes: u64) -> Result<(), StoreError> {
    let place = rustix::fs::statvfs(path).map_err(|error| at(path)(error.into()))?;
    let free = place.f_bavail * place.f_frsize;
    if free < bytes {
        return Err(StoreError::NoSpace { path: path.to_owned(), needed: bytes, free });
    }
    Ok(())
}
