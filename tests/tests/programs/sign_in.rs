//! Ways of signing in to AWS that people have, and machines in AWS do not: programs, `aws login`.

use std::fs;
use std::path::Path;

use artifact::Sha256Hex;
use e2e::folders::copy_folder;
use e2e::process::command;
use e2e::trained::tiny_store;
use s3_server::{ACCESS_KEY, BUCKET, S3Server, SECRET};
use serde_json::json;

/// What `gpt models` prints of a store in S3 for a user with this profile and nothing else.
fn models(server: &S3Server, home: &Path, profile: &str) -> String {
    fs::write(home.join("config"), format!("[default]\nregion = eu-west-1\n{profile}")).unwrap();
    let location = format!("s3://{BUCKET}/store");
    let mut gpt = command("gpt", &["models", "--store", &location]).unwrap();
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"] {
        gpt.env_remove(name);
    }
    gpt.env("HOME", home)
        .env("AWS_CONFIG_FILE", home.join("config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", home.join("none"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL_S3", &server.endpoint);
    let output = gpt.output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn started() -> (S3Server, tempfile::TempDir) {
    let server = S3Server::start_beside();
    copy_folder(tiny_store(), &server.folder("store")).unwrap();
    (server, tempfile::tempdir().unwrap())
}

#[test]
fn credentials_of_a_program() {
    let (server, home) = started();
    let key = json!({"Version": 1, "AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET});
    fs::write(home.path().join("key.json"), key.to_string()).unwrap();
    let profile = format!("credential_process = cat {}", home.path().join("key.json").display());
    let listing = models(&server, home.path(), &profile);
    assert!(listing.contains("tiny") && listing.contains("live"), "{listing}");
}

/// As `aws login` leaves them, in a file that is named by the digest of the session.
#[test]
fn credentials_of_a_login() {
    let (server, home) = started();
    let session = "arn:aws:iam::012345678901:user/ada";
    let folder = home.path().join(".aws/login/cache");
    fs::create_dir_all(&folder).unwrap();
    let token = json!({
        "accessToken": {
            "accessKeyId": ACCESS_KEY, "secretAccessKey": SECRET, "sessionToken": "session",
            "accountId": "012345678901", "expiresAt": "2099-01-01T00:00:00Z",
        },
        "tokenType": "aws_sigv4", "refreshToken": "refresh", "identityToken": "identity",
        "clientId": "arn:aws:signin:::devtools/same-device", "dpopKey": "none",
    });
    let file = format!("{}.json", Sha256Hex::of_bytes(session.as_bytes()).as_str());
    fs::write(folder.join(file), token.to_string()).unwrap();
    let listing = models(&server, home.path(), &format!("login_session = {session}"));
    assert!(listing.contains("tiny") && listing.contains("live"), "{listing}");
}

/// Nobody has signed in yet: the message says how, and not that this program cannot.
#[test]
fn a_session_of_identity_center_that_is_missing_is_named() {
    let (server, home) = started();
    let profile = "sso_session = work\nsso_account_id = 012345678901\nsso_role_name = Developer\n\
        [sso-session work]\nsso_region = eu-west-1\nsso_start_url = https://example.awsapps.com/start\n";
    let message = models(&server, home.path(), profile);
    assert!(message.contains("SSO token") && message.contains("aws sso login"), "{message}");
}
