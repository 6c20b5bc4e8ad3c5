//! Publication of model versions: files are staged locally and become visible all at once.

use std::path::PathBuf;

use artifact::hash::Sha256Hex;
use artifact::manifest::{FileEntry, FileRole, Manifest};

use crate::atomic::AtomicFolder;
use crate::error::{StoreError, at};
use crate::layout::{MANIFEST, SIGNATURE, checked_name, model_folder, version_folder};
use crate::objects::Objects;
use crate::signature::{self, SigningKey};
use crate::store::Store;
use crate::verify::expect_equal;
use crate::version::VersionRef;

impl Store {
    /// Begins a new version of a model: files are added to a local folder, and nothing is visible to
    /// readers before [`StagedVersion::publish`].
    ///
    /// # Errors
    /// If the name is unsafe or the store cannot be written: better now than after the training.
    pub async fn stage(&self, name: &str) -> Result<StagedVersion, StoreError> {
        let staging = self.objects.stage(&model_folder(name)?).await?;
        Ok(StagedVersion {
            objects: self.objects.clone(),
            signing_key: self.signing_key.clone(),
            name: name.to_owned(),
            staging,
            files: Vec::new(),
        })
    }
}

/// A version being written.
#[derive(Debug)]
pub struct StagedVersion {
    objects: Objects,
    signing_key: Option<SigningKey>,
    name: String,
    staging: AtomicFolder,
    files: Vec<FileEntry>,
}

impl StagedVersion {
    /// The path at which to write a file of this name before it is [`add`](Self::add)ed.
    pub fn path(&self, file_name: &str) -> PathBuf {
        self.staging.path().join(file_name)
    }

    /// Adds the file at [`path`](Self::path) to the version, with its hash.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn add(&mut self, file_name: &str, role: FileRole) -> Result<&FileEntry, StoreError> {
        let path = self.path(file_name);
        let (sha256, bytes) = Sha256Hex::of_file(&path).map_err(at(&path))?;
        let index = self.files.len();
        self.files.push(FileEntry { path: checked_name("file", file_name)?.to_owned(), role, bytes, sha256 });
        Ok(&self.files[index])
    }

    /// The files added so far.
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// Writes the files, the signature, if the store has a key, and finally the manifest, which makes the version visible.
    ///
    /// A publication that was killed is completed by publishing again, under the same version or a
    /// new one.
    ///
    /// # Errors
    /// If the version exists already with other contents, or cannot be written; then no version is
    /// visible.
    pub async fn publish(self, manifest: &Manifest) -> Result<VersionRef, StoreError> {
        let folder = version_folder(&self.name, &manifest.version)?;
        let key = format!("{folder}/{MANIFEST}");
        let location = self.objects.location(&key);
        expect_equal(&location, "name", &self.name, &manifest.name)?;
        let refused = |source| StoreError::Manifest { location: location.clone(), source };
        let json = manifest.to_json().map_err(refused)?;
        // A manifest that readers would refuse is not published.
        Manifest::from_json(&json).map_err(refused)?;

        let manifest_sha256 = Sha256Hex::of_bytes(&json);
        let Self { objects, signing_key, staging, mut files, .. } = self;
        if let Some(signing_key) = signing_key {
            let path = staging.path().join(SIGNATURE);
            let signed =
                signature::sign(&signing_key, &manifest.name, &manifest_sha256, &manifest.files).await;
            let signature = signed
                .map_err(|source| StoreError::NotSigned { location: objects.location(&folder), source })?;
            std::fs::write(&path, &signature).map_err(at(&path))?;
            let (bytes, sha256) = (signature.len() as u64, Sha256Hex::of_bytes(&signature));
            files.push(FileEntry { path: SIGNATURE.to_owned(), role: FileRole::Other, bytes, sha256 });
        }
        if !objects.commit(staging, &folder, &files, &json).await? {
            // The same manifest means the same files: this version was published before, perhaps by
            // a request whose answer was lost.
            let existing = objects.read(&key).await?;
            if existing.is_none_or(|existing| existing.bytes != json) {
                return Err(StoreError::VersionExists { location: objects.location(&folder) });
            }
        }
        Ok(VersionRef { name: manifest.name.clone(), version: manifest.version.clone(), manifest_sha256 })
    }
}
