//! Publication of a version: its files first, its manifest last.

use artifact::manifest::FileEntry;

use super::client::S3;
use crate::atomic::AtomicFolder;
use crate::error::StoreError;
use crate::layout::MANIFEST;
use crate::object::{Condition, Content};

impl S3 {
    /// A folder among the system's temporary files (`TMPDIR`), where a version's files wait for their
    /// upload.
    pub(crate) async fn stage(&self, parent: &str) -> Result<AtomicFolder, StoreError> {
        self.check_writable(&format!("{parent}/{MANIFEST}")).await?;
        Ok(AtomicFolder::create_in(&std::env::temp_dir())?)
    }

    /// Uploads the files and then the manifest; `false` if there are others at `target`.
    pub(crate) async fn commit(
        &self,
        staging: &AtomicFolder,
        target: &str,
        files: &[FileEntry],
        manifest: &[u8],
    ) -> Result<bool, StoreError> {
        for file in files {
            let key = format!("{target}/{}", file.path);
            let path = staging.path().join(&file.path);
            if !self.upload_once(&key, &path, &file.sha256).await? {
                return Ok(false);
            }
        }
        let key = format!("{target}/{MANIFEST}");
        self.write(&key, Content::Bytes(manifest), Condition::IfAbsent, None).await
    }
}
