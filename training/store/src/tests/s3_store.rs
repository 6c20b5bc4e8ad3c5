//! Stores on a test server.

use s3_server::{ACCESS_KEY, BUCKET, S3Server, SECRET};

use crate::objects::Objects;
use crate::s3::S3;
use crate::{Credentials, Store};

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
    let credentials = Credentials { access_key: access_key.to_owned(), secret: secret.to_owned() };
    let s3 = S3::on_server(endpoint, &credentials, bucket.to_owned(), prefix.to_owned());
    Store { objects: Objects::S3(s3), signing_key: None }
}
