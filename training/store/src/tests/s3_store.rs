//! Stores on an S3 server.

use aws_config::SdkConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use s3_server::{ACCESS_KEY, BUCKET, S3Server, SECRET};

use crate::Store;
use crate::objects::Objects;
use crate::s3::S3;

/// Makes stores on a server.
pub(super) trait Stores {
    fn store(&self, prefix: &str) -> Store;
}

impl Stores for S3Server {
    fn store(&self, prefix: &str) -> Store {
        store(&self.endpoint, ACCESS_KEY, SECRET, BUCKET, prefix)
    }
}

pub(super) fn store(endpoint: &str, access_key: &str, secret: &str, bucket: &str, prefix: &str) -> Store {
    Store { objects: Objects::S3(s3(endpoint, access_key, secret, bucket, prefix)) }
}

pub(super) fn s3(endpoint: &str, access_key: &str, secret: &str, bucket: &str, prefix: &str) -> S3 {
    let credentials = Credentials::new(access_key, secret, None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    S3::new(&config, true, bucket.to_owned(), prefix.to_owned())
}
