//! Stores in S3: multipart uploads, the cache of downloads, network failures.

use std::time::{Duration, Instant};

use artifact::manifest::FileEntry;
use s3_server::{ACCESS_KEY, BUCKET, EXPIRED_KEY, SECRET};
use tokio::net::TcpListener;

use super::*;
use crate::s3::PART_BYTES;

/// The promise is seconds; a person at a terminal waits no longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Contents without a period that parts or their order could hide in.
fn noise(length: u64) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_in_parts_and_comes_back_whole() {
    let server = S3Server::start().await;
    let (store, cache) = (server.store(""), tempfile::tempdir().unwrap());
    // More parts than are on their way at once, the last of one byte.
    let graph = noise(5 * PART_BYTES + 1);
    let (staged, manifest) = staged(&store, "v1", &graph).await;
    let reference = staged.publish(&manifest).await.unwrap();

    let version = store.open_version(&reference).await.unwrap();
    let entry = version.manifest.file("model.onnx").unwrap();
    let path = version.verified_file(entry, cache.path()).await.unwrap();
    assert!(fs::read(path).unwrap() == graph);
    assert!(unfinished_uploads(&server).is_empty());
}

/// Parts that the server keeps for uploads that were neither completed nor given up.
fn unfinished_uploads(server: &S3Server) -> Vec<String> {
    let entries = fs::read_dir(server.folder("").parent().unwrap().parent().unwrap()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".upload")).collect()
}

#[tokio::test]
async fn an_upload_in_parts_is_refused_where_an_object_is_and_given_up() {
    let server = S3Server::start().await;
    let (store, local) = (server.store(""), tempfile::tempdir().unwrap());
    let path = local.path().join("large");
    fs::write(&path, noise(PART_BYTES + 1)).unwrap();
    overwrite(&store, "large", b"first").await;
    assert!(!store.objects.write("large", Content::File(&path), Condition::IfAbsent).await.unwrap());
    assert_eq!(store.objects.read("large").await.unwrap().unwrap().bytes, b"first");
    assert!(unfinished_uploads(&server).is_empty());
    assert!(store.objects.write("large", Content::File(&path), Condition::Always).await.unwrap());
}

/// The client asks again when the answer is an error, and the server knows the upload no more.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_parts_that_was_completed_twice_is_a_success() {
    let server = S3Server::start().await;
    let (store, local) = (server.store(""), tempfile::tempdir().unwrap());
    let graph = noise(PART_BYTES + 1);
    server.fail_completions(1);
    let (staged, manifest) = staged(&store, "v1", &graph).await;
    staged.publish(&manifest).await.unwrap();
    assert_eq!(verify_visible(&store, local.path()).await, ["v1"]);

    // Files without a digest, such as those of checkpoints, too.
    let path = local.path().join("large");
    fs::write(&path, &graph).unwrap();
    for failures in [1, 3] {
        server.fail_completions(failures);
        store.put_file("run/weights", &path).await.unwrap();
    }
    assert_eq!(server.failing_completions(), 0);
    // What another upload has left is no success of this one.
    server.refuse(true);
    assert!(store.put_file("run/weights", &path).await.is_err());
}

#[tokio::test]
async fn a_file_is_downloaded_once_and_again_when_the_copy_is_damaged() {
    let server = S3Server::start().await;
    let (store, cache) = (server.store("prefix"), tempfile::tempdir().unwrap());
    let version = store.open_version(&publish(&store, "v1").await).await.unwrap();
    let entry = version.manifest.file("model.onnx").unwrap();
    let path = version.verified_file(entry, cache.path()).await.unwrap();
    fs::write(&path, "grape").unwrap();
    assert_eq!(version.verified_file(entry, cache.path()).await.unwrap(), path);
    assert_eq!(fs::read(&path).unwrap(), b"graph");

    fs::remove_file(server.folder("prefix/models/the-verdict/v1/model.onnx")).unwrap();
    assert_eq!(version.verified_file(entry, cache.path()).await.unwrap(), path);
}

#[tokio::test]
async fn damage_under_way_is_found_by_the_checksum_of_the_object() {
    let server = S3Server::start().await;
    let store = server.store("prefix");
    overwrite(&store, "channels/live.json", b"{}").await;
    fs::write(server.folder("prefix/channels/live.json"), "[]").unwrap();
    let error = store.channel("live").await.unwrap_err().to_string();
    assert!(error.contains("the download failed"), "{error}");
}

#[tokio::test]
async fn more_objects_than_fit_in_a_page_are_listed() {
    let server = S3Server::start().await;
    let folder = server.folder("prefix/checkpoints/run");
    fs::create_dir_all(&folder).unwrap();
    for number in 0..1_001 {
        fs::write(folder.join(number.to_string()), "").unwrap();
    }
    assert_eq!(server.store("prefix").list("run").await.unwrap().len(), 1_001);
}

/// The error of a first request, to write and to read, and that it came in time.
async fn failure(store: &Store) -> String {
    let start = Instant::now();
    let (staging, reading) = tokio::join!(store.stage(MODEL), store.channel("live"));
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    let (staging, reading) = (staging.unwrap_err().to_string(), reading.unwrap_err().to_string());
    for error in [&staging, &reading] {
        assert!(error.starts_with(&format!("s3://{BUCKET}/prefix/")), "{error}");
    }
    reading
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_within_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let store = s3_store::store(&endpoint, ACCESS_KEY, SECRET, BUCKET, "prefix");
    // It accepts connections and says nothing, then it does not even accept.
    let silent = failure(&store).await;
    assert!(silent.contains("the server cannot be reached"), "{silent}");
    drop(listener);
    let refused = failure(&store).await;
    assert!(refused.contains("Connection refused") && refused.contains("AWS_ENDPOINT_URL"), "{refused}");
}

#[tokio::test]
async fn bad_credentials_are_named_with_the_remedy() {
    let server = S3Server::start().await;
    for (key, secret, expected) in [
        ("unknown", SECRET, "the credentials are wrong (InvalidAccessKeyId"),
        (ACCESS_KEY, "wrong", "the credentials are wrong (SignatureDoesNotMatch"),
        (EXPIRED_KEY, SECRET, "the credentials have expired (ExpiredToken"),
    ] {
        let store = s3_store::store(&server.endpoint, key, secret, BUCKET, "prefix");
        let error = failure(&store).await;
        assert!(error.contains(expected) && error.contains("AWS_"), "{error}");
    }
}

#[tokio::test]
async fn a_bucket_that_does_not_exist_is_named() {
    let server = S3Server::start().await;
    let store = s3_store::store(&server.endpoint, ACCESS_KEY, SECRET, "missing", "");
    let error = store.models().await.unwrap_err().to_string();
    assert!(error.contains("s3://missing/models: there is no such bucket"), "{error}");
}

#[tokio::test]
async fn what_answers_but_is_no_s3_is_an_error_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, axum::Router::new()).into_future());
    let store = s3_store::store(&endpoint, ACCESS_KEY, SECRET, BUCKET, "prefix");
    let error = failure(&store).await;
    assert!(error.contains("the answer is not one of S3") && error.contains("AWS_ENDPOINT_URL"), "{error}");
}

/// 20 MiB and a bit come in three ranges; an object that has become shorter or longer is refused, and so is
/// one that there is no room for.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_comes_in_ranges_and_is_verified() {
    let server = S3Server::start().await;
    let store = server.store("large");
    let contents: Vec<u8> =
        (0..(20 << 20) + 5_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (staged, manifest) = staged(&store, "v1", &contents).await;
    let version = store.open_version(&staged.publish(&manifest).await.unwrap()).await.unwrap();
    let entry =
        version.manifest.files.iter().find(|file| file.bytes == contents.len() as u64).unwrap().clone();
    let cache = tempfile::tempdir().unwrap();
    let before = server.requests();
    let path = version.verified_file(&entry, cache.path()).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == contents);
    assert_eq!(server.requests() - before, 3);

    let object = server.folder("large/models").join(&manifest.name).join("v1").join(&entry.path);
    for length in [contents.len() - 1, 8 << 20, 5, 0] {
        std::fs::write(&object, &contents[..length]).unwrap();
        std::fs::remove_file(&path).ok();
        let error = version.verified_file(&entry, cache.path()).await.unwrap_err();
        assert!(matches!(error, StoreError::Mismatch { property: "length", .. }), "{length}: {error}");
    }
    std::fs::write(&object, [&contents[..], &[1]].concat()).unwrap();
    let error = version.verified_file(&entry, cache.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::Mismatch { property: "length", .. }), "{error}");
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0, "nothing is left behind");

    let huge = FileEntry { bytes: u64::MAX / 2, ..entry };
    let error = version.verified_file(&huge, cache.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::NoSpace { .. }), "{error}");
}

/// Of what had come when the connections broke nothing is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_breaks_off_goes_on_where_it_was() {
    const MIB: u64 = 1 << 20;
    let server = S3Server::start().await;
    let store = server.store("large");
    let contents = noise(20 * MIB);
    let (staged, manifest) = staged(&store, "v1", &contents).await;
    let version = store.open_version(&staged.publish(&manifest).await.unwrap()).await.unwrap();
    server.read_from_memory();
    let cache = tempfile::tempdir().unwrap();
    server.throttle(40 * MIB);
    let before = server.sent();
    let folder = cache.path().to_owned();
    let download = tokio::spawn(async move {
        let entry = version.manifest.file("model.onnx").unwrap();
        fs::read(version.verified_file(entry, &folder).await.unwrap()).unwrap()
    });
    while server.sent() - before < 10 * MIB {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.cut_answers();
    assert!(download.await.unwrap() == contents);
    // What was on the way is lost.
    assert!(server.sent() - before < 26 * MIB, "{} MiB", (server.sent() - before) / MIB);
}

/// A lease on a version keeps its files in a shared cache.
#[tokio::test]
async fn a_server_does_not_remove_what_another_one_serves() {
    let server = S3Server::start().await;
    let (store, cache) = (server.store("prefix"), tempfile::tempdir().unwrap());
    let mut versions = Vec::new();
    for name in ["v1", "v2"] {
        let version = store.open_version(&publish(&store, name).await).await.unwrap();
        let lease = version.lease(cache.path()).unwrap();
        assert!(lease.is_some());
        let path = version.verified_file(version.manifest.file("model.onnx").unwrap(), cache.path()).await;
        versions.push((path.unwrap(), lease, version));
    }
    let Ok([(first, lease, _), (second, _lease, newer)]) = <[_; 2]>::try_from(versions) else {
        unreachable!()
    };
    newer.remove_others(cache.path()).unwrap();
    assert!(first.exists() && second.exists());
    drop(lease);
    newer.remove_others(cache.path()).unwrap();
    assert!(!first.exists() && second.exists());
}
