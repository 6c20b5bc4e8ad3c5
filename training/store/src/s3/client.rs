//! S3 client: configuration from the AWS environment, time limits, retries.

use std::time::Duration;

use aws_config::meta::region::RegionProviderChain;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{AsyncSleep, Region, SharedCredentialsProvider, SharedHttpClient, Sleep};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use crate::awake;

/// The region that S3-compatible servers assume where none is configured.
const FALLBACK_REGION: &str = "us-east-1";

/// People wait for these requests, which a reachable server answers in milliseconds: all attempts and pauses
/// together stay below ten seconds. These are times awake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(9);
const MAX_ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// An access key for a server whose address is given explicitly.
#[derive(Clone)]
pub struct Credentials {
    /// The access key's id.
    pub access_key: String,
    /// The secret that belongs to it.
    pub secret: String,
}

/// Objects below a prefix of a bucket.
#[derive(Clone, Debug)]
pub(crate) struct S3 {
    pub(super) client: Client,
    pub(super) bucket: String,
    /// Empty, or ends with `/`.
    pub(super) prefix: String,
}

impl S3 {
    /// Takes region, credentials and endpoint from the environment.
    pub(crate) async fn connect(bucket: String, prefix: String) -> Self {
        let config = environment().await;
        // The endpoint of S3 alone does not show in the general configuration.
        let has_endpoint =
            config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        Self::new(&config, has_endpoint, bucket, prefix)
    }

    /// Objects on the server at `endpoint`, whatever the environment says.
    pub(crate) fn on_server(
        endpoint: &str,
        credentials: &Credentials,
        bucket: String,
        prefix: String,
    ) -> Self {
        let Credentials { access_key, secret } = credentials;
        let keys = aws_sdk_s3::config::Credentials::new(access_key, secret, None, None, "given");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(FALLBACK_REGION))
            .endpoint_url(endpoint)
            .http_client(https())
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .build();
        Self::new(&config, true, bucket, prefix)
    }

    /// With an endpoint of its own the bucket is addressed in the path: few such servers have a host
    /// name for every bucket.
    fn new(config: &SdkConfig, has_endpoint: bool, bucket: String, prefix: String) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let retries =
            RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS).with_initial_backoff(FIRST_PAUSE);
        let config = aws_sdk_s3::config::Builder::from(config)
            .force_path_style(has_endpoint)
            .timeout_config(timeouts)
            .retry_config(retries)
            .sleep_impl(SleepAwake)
            .build();
        let prefix = if prefix.is_empty() { prefix } else { prefix + "/" };
        Self { client: Client::from_conf(config), bucket, prefix }
    }

    pub(crate) fn location(&self, key: &str) -> String {
        format!("s3://{}/{}{key}", self.bucket, self.prefix)
    }

    /// The key in the bucket of a key in the store.
    pub(super) fn full_key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

/// Region, credentials and endpoints of the environment.
pub(crate) async fn environment() -> SdkConfig {
    let region = RegionProviderChain::default_provider().or_else(FALLBACK_REGION);
    aws_config::defaults(BehaviorVersion::latest()).region(region).http_client(https()).load().await
}

/// The SDK's timers: in a function that is frozen for longer than they take, they would end every request.
#[derive(Debug)]
struct SleepAwake;

impl AsyncSleep for SleepAwake {
    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(awake::sleep(duration))
    }
}

/// An HTTP client whose TLS is rustls on ring, which the program has for other downloads too: with the SDK's own
/// choice, AWS-LC, there would be two to build.
fn https() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}
