//! Tests that every store must pass, in a directory and in S3.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use artifact::manifest::{FileRole, Manifest};
use s3_server::S3Server;
use tempfile::TempDir;

use self::s3_store::Stores;
use crate::object::{Condition, Content, MAX_SMALL_BYTES};
use crate::*;

mod atomic;
mod channels;
mod directory;
mod killed;
mod prune;
mod s3;
mod s3_store;
mod signatures;

const MODEL: &str = "the-verdict";

/// An empty store.
struct Fixture {
    store: Store,
    /// The folder in which its objects lie, whoever put them there.
    folder: PathBuf,
    local: TempDir,
}

/// Runs a test on an empty store of each kind.
async fn each_store(test: impl AsyncFn(&Fixture)) {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path().to_str().unwrap()).await.unwrap();
    test(&Fixture { store, folder: root.path().to_owned(), local: tempfile::tempdir().unwrap() }).await;

    let server = S3Server::start().await;
    let (store, folder) = (server.store("team/gpt"), server.folder("team/gpt"));
    test(&Fixture { store, folder, local: tempfile::tempdir().unwrap() }).await;
}

/// A move by hand.
fn cause() -> Cause {
    Cause {
        at: "2026-11-23T13:00:00Z".to_owned(),
        by: "somebody".to_owned(),
        reason: Reason::ByHand,
        figures: BTreeMap::new(),
    }
}

/// A manifest without files.
fn example() -> Manifest {
    let json = serde_json::json!({
        "format_version": artifact::manifest::FORMAT_VERSION, "name": MODEL, "version": "v0",
        "created_at": "2026-11-23T12:00:00Z",
        "config": {"vocab_size": 97, "context_length": 32, "d_model": 48, "n_layers": 3, "n_heads": 4,
            "d_ff": 192, "dropout": 0.0, "qkv_bias": false, "tied_output_head": false},
        "files": [], "variants": [], "example_prompts": [],
    });
    Manifest::from_json(json.to_string().as_bytes()).unwrap()
}

async fn staged(store: &Store, version: &str, graph: &[u8]) -> (StagedVersion, Manifest) {
    let mut staged = store.stage(MODEL).await.unwrap();
    fs::write(staged.path("model.onnx"), graph).unwrap();
    staged.add("model.onnx", FileRole::Onnx).unwrap();
    let manifest = Manifest { version: version.to_owned(), files: staged.files().to_vec(), ..example() };
    (staged, manifest)
}

async fn publish(store: &Store, version: &str) -> VersionRef {
    let (staged, manifest) = staged(store, version, b"graph").await;
    staged.publish(&manifest).await.unwrap()
}

/// Opens every version that a reader can see and verifies all its files.
async fn verify_visible(store: &Store, cache: &Path) -> Vec<String> {
    let versions = store.versions(MODEL).await.unwrap();
    for version in &versions {
        let version = store.find_version(MODEL, version).await.unwrap();
        for file in &version.manifest.files {
            version.verified_file(file, cache).await.unwrap();
        }
    }
    versions
}

#[tokio::test]
async fn what_is_published_is_read_back() {
    each_store(async |Fixture { store, local, .. }| {
        let reference = publish(store, "v1").await;
        let opened = store.open_version(&reference).await.unwrap();
        assert_eq!(opened.reference, reference);
        let entry = opened.manifest.file("model.onnx").unwrap();
        let path = opened.verified_file(entry, local.path()).await.unwrap();
        assert_eq!(fs::read(path).unwrap(), b"graph");
    })
    .await;
}

#[tokio::test]
async fn what_the_store_holds_is_listed() {
    each_store(async |Fixture { store, .. }| {
        assert!(store.models().await.unwrap().is_empty());
        assert!(store.versions(MODEL).await.unwrap().is_empty());
        assert!(store.channels().await.unwrap().is_empty());
        let second = publish(store, "v2").await;
        publish(store, "v1").await;
        store.promote("live", &second, None, cause()).await.unwrap();
        store.promote("beta", &second, None, cause()).await.unwrap();
        assert_eq!(store.models().await.unwrap(), [MODEL]);
        assert_eq!(store.versions(MODEL).await.unwrap(), ["v1", "v2"]);
        assert_eq!(store.channels().await.unwrap(), ["beta", "live"]);
        assert_eq!(store.find_version(MODEL, "v2").await.unwrap().reference, second);
    })
    .await;
}

#[tokio::test]
async fn an_abandoned_version_leaves_nothing() {
    each_store(async |Fixture { store, folder, .. }| {
        let (staged, _) = staged(store, "v1", b"half").await;
        let temporary = staged.path("");
        drop(staged);
        assert!(!temporary.exists());
        assert!(store.models().await.unwrap().is_empty());
        assert!(!folder.join("models").join(MODEL).join("v1").exists());
    })
    .await;
}

#[tokio::test]
async fn a_version_is_never_changed() {
    each_store(async |Fixture { store, local, .. }| {
        publish(store, "v1").await;
        let (other, manifest) = staged(store, "v1", b"other").await;
        let error = other.publish(&manifest).await.unwrap_err();
        assert!(matches!(error, StoreError::VersionExists { .. }), "{error}");

        // The same files under another manifest are another version, too.
        let (same, manifest) = staged(store, "v1", b"graph").await;
        let manifest = Manifest { example_prompts: vec!["other".to_owned()], ..manifest };
        let error = same.publish(&manifest).await.unwrap_err();
        assert!(matches!(error, StoreError::VersionExists { .. }), "{error}");

        assert_eq!(verify_visible(store, local.path()).await, ["v1"]);
    })
    .await;
}

#[tokio::test]
async fn publishing_the_same_again_changes_nothing() {
    each_store(async |Fixture { store, .. }| {
        assert_eq!(publish(store, "v1").await, publish(store, "v1").await);
        assert_eq!(store.versions(MODEL).await.unwrap(), ["v1"]);
    })
    .await;
}

#[tokio::test]
async fn a_manifest_of_another_model_is_refused() {
    each_store(async |Fixture { store, .. }| {
        let (staged, manifest) = staged(store, "v1", b"graph").await;
        let error = staged.publish(&Manifest { name: "other".to_owned(), ..manifest }).await.unwrap_err();
        assert!(matches!(error, StoreError::Mismatch { property: "name", .. }), "{error}");
        assert!(store.models().await.unwrap().is_empty());
        assert!(matches!(store.stage("../up").await.unwrap_err(), StoreError::Name { .. }));
    })
    .await;
}

#[tokio::test]
async fn damage_is_found_and_named() {
    each_store(async |Fixture { store, folder, local }| {
        let reference = publish(store, "v1").await;
        let version = store.open_version(&reference).await.unwrap();
        let entry = version.manifest.file("model.onnx").unwrap();
        let complaint = async |contents: &[u8]| {
            overwrite(store, "models/the-verdict/v1/model.onnx", contents).await;
            version.verified_file(entry, local.path()).await.unwrap_err().to_string()
        };
        assert!(complaint(b"grape").await.contains("sha256"));
        assert!(complaint(b"gr").await.contains("its length is 2, expected 5"));
        let folder = folder.join("models/the-verdict/v1");
        fs::remove_file(folder.join("model.onnx")).unwrap();
        let error = version.verified_file(entry, local.path()).await.unwrap_err();
        assert!(error.to_string().contains("model.onnx"), "{error}");

        overwrite(store, "models/the-verdict/v1/manifest.json", b"{}").await;
        let error = store.open_version(&reference).await.unwrap_err();
        assert!(matches!(error, StoreError::Mismatch { property: "sha256", .. }), "{error}");
        let error = store.find_version(MODEL, "v1").await.unwrap_err();
        assert!(matches!(error, StoreError::Manifest { .. }), "{error}");
        fs::remove_file(folder.join(MANIFEST)).unwrap();
        let error = store.open_version(&reference).await.unwrap_err();
        assert!(matches!(error, StoreError::NoVersion { .. }), "{error}");
        assert!(error.to_string().contains(MANIFEST), "{error}");
    })
    .await;
}

async fn overwrite(store: &Store, key: &str, contents: &[u8]) {
    assert!(store.objects.write(key, Content::Bytes(contents), Condition::Always).await.unwrap());
}

#[tokio::test]
async fn what_is_too_long_for_a_manifest_is_not_read() {
    each_store(async |Fixture { store, .. }| {
        overwrite(store, "channels/live.json", &vec![b' '; MAX_SMALL_BYTES as usize + 1]).await;
        let error = store.channel("live").await.unwrap_err();
        assert!(matches!(error, StoreError::TooLong { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn files_of_a_training_run_are_kept_replaced_and_removed() {
    each_store(async |Fixture { store, local, .. }| {
        let (source, target) = (local.path().join("source"), local.path().join("folder/target"));
        fs::write(&source, "weights").unwrap();
        store.put_file("run-1/step-9/weights", &source).await.unwrap();
        store.put_bytes("run-1/latest.json", b"8").await.unwrap();
        store.put_bytes("run-1/latest.json", b"9").await.unwrap();
        store.put_bytes("run-2/latest.json", b"1").await.unwrap();
        assert_eq!(store.list("run-1").await.unwrap(), ["run-1/latest.json", "run-1/step-9/weights"]);
        assert_eq!(store.list("").await.unwrap().len(), 3);
        assert!(store.list("run-3").await.unwrap().is_empty());

        store.get_file("run-1/step-9/weights", &target).await.unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"weights");
        store.get_file("run-1/latest.json", &target).await.unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"9");

        store.remove_file("run-1/latest.json").await.unwrap();
        store.remove_file("run-1/latest.json").await.unwrap();
        let error = store.get_file("run-1/latest.json", &target).await.unwrap_err();
        assert!(matches!(error, StoreError::NoFile { .. }), "{error}");
        assert_eq!(fs::read(&target).unwrap(), b"9");

        for key in ["../channels/live.json", "/etc/passwd", "", "a//b", ".hidden"] {
            let error = store.put_bytes(key, b"").await.unwrap_err();
            assert!(matches!(error, StoreError::Key { .. }), "{error}");
        }
    })
    .await;
}
