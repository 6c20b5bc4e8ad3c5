//! Downloads of whole objects in one request.

use std::io::Write;

use artifact::hash::{Sha256Hex, Sha256Writer};
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};

use super::client::S3;
use super::error::{broken_download, s3_error, silent};
use super::listing::ListedObject;
use crate::atomic::AtomicFile;
use crate::awake::{Clock, undisturbed};
use crate::error::{StoreError, at};
use crate::object::{MAX_SMALL_BYTES, Object, Tag};

impl S3 {
    pub(crate) async fn read(&self, key: &str) -> Result<Option<Object>, StoreError> {
        undisturbed(move |clock| async move { self.read_once(key, &clock).await }).await
    }

    async fn read_once(&self, key: &str, clock: &Clock) -> Result<Option<Object>, StoreError> {
        let frozen = || silent(self.location(key));
        let answer = clock.receive(self.get(key)).await.ok_or_else(frozen)?;
        let Some(mut answer) = answer? else { return Ok(None) };
        let mut bytes = Vec::new();
        while let Some(chunk) = clock.receive(answer.body.next()).await.ok_or_else(frozen)? {
            bytes.extend_from_slice(&chunk.map_err(|error| broken_download(self.location(key), &error))?);
            if bytes.len() as u64 > MAX_SMALL_BYTES {
                return Err(StoreError::TooLong { location: self.location(key), limit: MAX_SMALL_BYTES });
            }
        }
        Ok(Some(Object { bytes, tag: Tag(answer.e_tag.unwrap_or_default()) }))
    }

    pub(crate) async fn fetch(
        &self,
        key: &str,
        file: &mut AtomicFile,
    ) -> Result<Option<(Sha256Hex, u64)>, StoreError> {
        let Some(answer) = self.get(key).await? else { return Ok(None) };
        self.receive(key, answer, file).await.map(Some)
    }

    /// Copies an object into a new file, if it has not changed since it was listed.
    pub(crate) async fn fetch_unchanged(
        &self,
        listed: &ListedObject,
        file: &mut AtomicFile,
    ) -> Result<bool, StoreError> {
        let Some(answer) = self.get(&listed.key).await? else { return Ok(false) };
        if listed.e_tag.is_some() && answer.e_tag != listed.e_tag {
            return Ok(false);
        }
        Ok(self.receive(&listed.key, answer, file).await?.1 == listed.bytes)
    }

    async fn receive(
        &self,
        key: &str,
        mut answer: GetObjectOutput,
        file: &mut AtomicFile,
    ) -> Result<(Sha256Hex, u64), StoreError> {
        let path = file.path().to_owned();
        let mut writer = Sha256Writer::new(file);
        while let Some(chunk) = answer.body.next().await {
            let chunk = chunk.map_err(|error| broken_download(self.location(key), &error))?;
            writer.write_all(&chunk).map_err(at(&path))?;
        }
        Ok(writer.finish())
    }

    async fn get(&self, key: &str) -> Result<Option<GetObjectOutput>, StoreError> {
        match self.client.get_object().bucket(&self.bucket).key(self.full_key(key)).send().await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => Ok(None),
            Err(error) => Err(s3_error(self.location(key), &error)),
        }
    }
}
