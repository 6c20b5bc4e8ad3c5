//! Object storage in an S3 bucket, on AWS or any server that speaks its protocol.
//!
//! Immutable objects are written with `If-None-Match: *`, others are replaced with `If-Match` and the
//! ETag that was read. The role that publishes needs s3:GetObject, s3:PutObject,
//! s3:AbortMultipartUpload and s3:ListBucket; without the last, S3 answers "denied" for objects that do
//! not exist. Checkpoints, and old versions by `gpt prune`, are deleted by a role that has s3:DeleteObject. A
//! lifecycle rule of the bucket should remove old checkpoints, and end incomplete multipart uploads.

mod client;
mod download;
mod error;
mod listing;
mod ranges;
mod staging;
mod upload;

pub use client::Credentials;
pub(crate) use client::S3;
#[cfg(feature = "signing")]
pub(crate) use client::environment;
pub use listing::ListedObject;
#[cfg(test)]
pub(crate) use upload::PART_BYTES;
