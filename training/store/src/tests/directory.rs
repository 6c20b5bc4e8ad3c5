//! Stores in a directory: leftovers of killed writers, modes, empty folders.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::atomic::PREFIX;

async fn open(root: &TempDir) -> Store {
    Store::open(&format!("file://{}", root.path().display())).await.unwrap()
}

#[tokio::test]
async fn what_a_killed_writer_left_is_removed_and_a_living_writers_is_not() {
    let root = tempfile::tempdir().unwrap();
    let store = open(&root).await;
    let living = store.stage(MODEL).await.unwrap();
    let abandoned = root.path().join(format!("models/the-verdict/{PREFIX}killed"));
    fs::create_dir(&abandoned).unwrap();
    fs::write(abandoned.join("model.onnx"), "half").unwrap();
    let other = store.stage(MODEL).await.unwrap();
    assert!(!abandoned.exists());
    assert!(living.path("").exists() && other.path("").exists());
    assert!(store.models().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_published_is_for_every_reader() {
    let root = tempfile::tempdir().unwrap();
    let store = open(&root).await;
    let (staged, manifest) = staged(&store, "v1", b"graph").await;
    fs::set_permissions(staged.path("model.onnx"), Permissions::from_mode(0o600)).unwrap();
    staged.publish(&manifest).await.unwrap();
    let version = root.path().join("models/the-verdict/v1");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&version), 0o755);
    assert_eq!(mode(&version.join("model.onnx")), 0o644);
    assert_eq!(mode(&version.join("manifest.json")), 0o644);
}

#[tokio::test]
async fn half_an_object_is_not_listed_and_is_removed() {
    let root = tempfile::tempdir().unwrap();
    let store = open(&root).await;
    store.put_bytes("run/a", b"a").await.unwrap();
    let half = root.path().join(format!("checkpoints/run/{PREFIX}killed"));
    fs::write(&half, "much longer than b").unwrap();
    assert_eq!(store.list("run").await.unwrap(), ["run/a"]);
    store.put_bytes("run/b", b"b").await.unwrap();
    assert_eq!(fs::read(root.path().join("checkpoints/run/b")).unwrap(), b"b");
    assert!(!half.exists());
}

#[tokio::test]
async fn a_store_that_cannot_be_made_is_an_early_error() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    let store = Store::open(root.path().join("file").to_str().unwrap()).await.unwrap();
    let error = store.stage(MODEL).await.unwrap_err().to_string();
    assert!(error.contains("file/models/the-verdict"), "{error}");
}

#[tokio::test]
async fn a_folder_goes_with_its_last_file_and_the_store_stays() {
    let root = tempfile::tempdir().unwrap();
    let store = open(&root).await;
    store.put_bytes("run/step-1/a", b"a").await.unwrap();
    store.put_bytes("run/step-2/a", b"a").await.unwrap();
    store.remove_file("run/step-1/a").await.unwrap();
    let run = root.path().join("checkpoints/run");
    assert!(!run.join("step-1").exists() && run.join("step-2/a").exists());
    store.remove_file("run/step-2/a").await.unwrap();
    assert!(!root.path().join("checkpoints").exists() && root.path().exists());
}
