//! Versions that come, fail and are pinned while a server answers.

use std::fs;
use std::time::Duration;

use anyhow::ensure;
use artifact::draft;
use e2e::confined::on_small_disk;
use e2e::process::{Server, command, eventually, post, request};
use s3_server::ACCESS_KEY;
use serde_json::{Value, json};

use super::{Remote, events, location, open, pointer, served_version, store, versions};

/// The channel names another version: it takes over, and a text in the middle ends as it began.
#[test]
fn a_new_version_takes_over_between_requests() {
    let remote = Remote::start();
    let server = remote.serve();
    let [first, second] = versions();
    assert_eq!(served_version(&server.url), first);
    let ask = json!({"prompt": "The", "max_tokens": 1000, "stream": true}).to_string();
    let (_, reader) = open(&format!("{}/generate", server.url), "POST PATH", &ask);
    remote.point_to(&pointer(&second));
    eventually(|| {
        ensure!(served_version(&server.url) == second);
        Ok(())
    })
    .unwrap();
    assert_eq!(events(reader).last().unwrap().1["model"]["version"], first);
    let (_, details) = request("GET", &format!("{}/model", server.url), "text/plain", "").unwrap();
    assert_eq!((&details["model"]["version"], &details["start"]["ready_ms"]), (&json!(second), &Value::Null));
    let (_, answer) =
        post(&format!("{}/generate", server.url), &json!({"prompt": "The", "max_tokens": 1})).unwrap();
    assert_eq!(answer["model"]["version"], second);
    // They go after the second one answers: requests do not wait for that.
    eventually(|| {
        let cached: Vec<_> = fs::read_dir(remote.cache.path().join("models/tiny"))?.collect();
        ensure!(cached.len() == 1, "the first version's files are gone: {cached:?}");
        Ok(())
    })
    .unwrap();

    // Nothing is loaded again, and looking whether there is something takes one request.
    std::thread::sleep(Duration::from_millis(250)); // for a look that an answer above began
    let before = remote.server.requests();
    std::thread::sleep(Duration::from_millis(250));
    served_version(&server.url);
    std::thread::sleep(Duration::from_millis(250));
    assert_eq!(remote.server.requests() - before, 1);
}

/// Whatever is wrong with a new version, the old one goes on serving, the log says why, once, and the
/// next good version is taken.
#[test]
fn a_bad_version_leaves_the_old_one_serving() {
    type Change = fn(Vec<u8>) -> Vec<u8>;
    let faults: [(&str, &str, Change, &str); 4] = [
        ("cut", "model.w4.onnx", |bytes| bytes[..bytes.len() - 1].to_vec(), "length"),
        (
            "flipped",
            "model.w4.onnx",
            |mut bytes| {
                bytes[99] ^= 1;
                bytes
            },
            "sha256",
        ),
        ("damaged manifest", "manifest.json", |bytes| bytes[..100].to_vec(), "sha256"),
        (
            "unknown format",
            "manifest.json",
            |bytes| {
                String::from_utf8(bytes)
                    .unwrap()
                    .replacen("\"format_version\": 1", "\"format_version\": 99", 1)
                    .into_bytes()
            },
            "format",
        ),
    ];
    for (name, file, change, reason) in faults {
        let remote = Remote::start();
        let server = remote.serve();
        let [first, second] = versions();
        let good = fs::read(remote.server.folder("store/models/tiny").join(&second).join(file)).unwrap();
        remote.spoil(file, change);
        let mut target = pointer(&second);
        if name == "unknown format" {
            let manifest =
                fs::read(remote.server.folder("store/models/tiny").join(&second).join(file)).unwrap();
            assert_ne!(manifest, good, "the manifest was changed");
            let digest = artifact::Sha256Hex::of_bytes(&manifest);
            target = json!({"name": "tiny", "version": second, "manifest_sha256": digest.as_str(), "previous": null}).to_string();
        }
        remote.point_to(&target);
        let failed = || server.log().matches("the model could not be loaded").count();
        eventually(|| {
            served_version(&server.url);
            ensure!(failed() == 1, "{name}: {}", server.log());
            Ok(())
        })
        .unwrap();
        assert!(server.log().contains(reason), "{name}: {}", server.log());
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(210));
            assert_eq!(served_version(&server.url), first, "{name}");
        }
        assert_eq!(failed(), 1, "{name} is not tried again: {}", server.log());
        let (status, _) =
            post(&format!("{}/generate", server.url), &json!({"prompt": "The", "max_tokens": 1})).unwrap();
        assert_eq!(status, 200);
    }
}

/// A new version goes live without the file, and the log says so.
#[test]
fn a_bad_optional_file_costs_what_it_gives() {
    type Change = fn(Vec<u8>) -> Vec<u8>;
    let faults: [(&str, Change, &str); 3] = [
        (draft::FILE_NAME, |bytes| bytes[..bytes.len() / 2].to_vec(), "draft index"),
        ("metrics.jsonl", |_| b"{\"val_loss\": 1}\n".to_vec(), "loss curve"),
        ("metrics.jsonl", |_| vec![0xff; 20], "loss curve"),
    ];
    for (file, change, what) in faults {
        let remote = Remote::start();
        let server = remote.serve();
        let version = remote.spoil(file, change);
        remote.point_to(&pointer(&version));
        eventually(|| {
            ensure!(served_version(&server.url) == version, "{}", server.log());
            Ok(())
        })
        .unwrap();
        let (log, warning) = (server.log(), format!("the model is served without its {what}"));
        assert_eq!(log.matches(&warning).count(), 1, "{log}");
        assert!(!log.contains("could not be loaded"), "{log}");
        let ask = json!({"prompt": "The", "max_tokens": 1});
        assert_eq!(post(&format!("{}/generate", server.url), &ask).unwrap().0, 200);
    }
}

/// A store that is away for a while is no reason to stop, and none to give up.
#[test]
fn a_store_that_is_away_is_asked_again() {
    let remote = Remote::start();
    let server = remote.serve();
    let [first, second] = versions();
    remote.point_to(&pointer(&second));
    remote.server.refuse(true);
    eventually(|| {
        served_version(&server.url);
        ensure!(server.log().contains("the model could not be loaded"));
        Ok(())
    })
    .unwrap();
    assert_eq!(served_version(&server.url), first);
    remote.server.refuse(false);
    eventually(|| {
        ensure!(served_version(&server.url) == second);
        Ok(())
    })
    .unwrap();
}

/// Bytes that come too slowly are asked for again, and then given up; meanwhile the old version serves.
#[test]
fn a_store_that_drips_is_given_up() {
    let remote = Remote::start();
    let server = remote.serve();
    let [first, second] = versions();
    remote.server.throttle(20_000);
    remote.point_to(&pointer(&second));
    eventually(|| {
        ensure!(served_version(&server.url) == first);
        ensure!(server.log().contains("the download is too slow"), "{}", server.log());
        Ok(())
    })
    .unwrap();
    remote.server.throttle(0);
    eventually(|| {
        ensure!(served_version(&server.url) == second);
        Ok(())
    })
    .unwrap();
}

/// What does not fit on the disk is not begun, and nothing is left on it.
#[test]
fn a_disk_that_is_too_small_is_named() {
    let remote = Remote::start();
    let folder = tempfile::tempdir().unwrap();
    let (disk, kept) = (folder.path().join("disk"), folder.path().join("kept"));
    fs::create_dir(&disk).unwrap();
    let arguments = ["--store", &location(), "--listen", "127.0.0.1:0", "--cache", &disk.to_string_lossy()];
    let mut command = command("generate", &arguments).unwrap();
    command.envs(remote.server.environment(ACCESS_KEY));
    let output = on_small_disk(&command, &disk, 200, &kept);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("bytes are needed and") && message.contains("are free"), "{message}");
    let folders = fs::read_dir(kept.join("models/tiny")).unwrap();
    let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    assert_eq!(files.count(), 0, "{message}");
}

#[test]
fn a_pinned_version_is_served_whatever_the_channel_names() {
    let [first, second] = versions();
    let pinned = format!("tiny/{first}");
    let arguments = ["--model-version", pinned.as_str(), "--check-interval", "0.1"];
    let server = Server::start_with(&store().to_string_lossy(), &arguments, &[]).unwrap();
    assert_ne!(first, second);
    assert_eq!(served_version(&server.url), first);
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(served_version(&server.url), first);
}
