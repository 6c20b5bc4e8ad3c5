//! Kill tests of publications: readers see a complete version or none, the same command completes it, and what is
//! trained is not lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use artifact::Manifest;
use artifact::manifest::FileRole;
use e2e::folders::{copy_folder, text};
use e2e::process::{Running, command};
use e2e::trained::{only_version, tiny_store, visible_versions};
use e2e::workbench::{EPOCHS, Published, Workbench, checkpoints_in, uninterrupted};
use s3_server::{ACCESS_KEY, BUCKET, S3Server};
use store::Store;
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// More than goes in one request to S3.
const LARGE_FILE_BYTES: usize = 17 << 20;

/// A version with a large file in it, for all tests of this file.
async fn version() -> (&'static Path, &'static Manifest) {
    static VERSION: OnceCell<(TempDir, PathBuf, Manifest)> = OnceCell::const_new();
    let (_, version, manifest) = VERSION.get_or_init(make_version).await;
    (version, manifest)
}

async fn make_version() -> (TempDir, PathBuf, Manifest) {
    let folder = tempfile::tempdir().unwrap();
    let (trained, manifest) = only_version(tiny_store()).unwrap();
    let store = folder.path().join("store");
    let mut staged = Store::open(text(&store)).await.unwrap().stage(&manifest.name).await.unwrap();
    for file in &manifest.files {
        fs::copy(trained.join(&file.path), staged.path(&file.path)).unwrap();
        staged.add(&file.path, file.role).unwrap();
    }
    let noise: Vec<u8> =
        (0..LARGE_FILE_BYTES as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    fs::write(staged.path("large.txt"), noise).unwrap();
    staged.add("large.txt", FileRole::Samples).unwrap();
    let manifest = Manifest { files: staged.files().to_vec(), ..manifest };
    staged.publish(&manifest).await.unwrap();
    let (version, manifest) = only_version(&store).unwrap();
    (folder, version, manifest)
}

fn publish(version: &Path, location: &str, environment: &[(&'static str, String)]) -> Command {
    let mut command = command("gpt", &["publish", text(version), "--store", location]).unwrap();
    command.envs(environment.iter().cloned()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Whether readers see the version; panics if they see another or half of it. `folder` is that of the
/// store.
fn is_visible(
    location: &str,
    folder: &Path,
    environment: &[(&'static str, String)],
    expected: &Manifest,
) -> bool {
    let mut models = command("gpt", &["models", "--store", location]).unwrap();
    let output = models.envs(environment.iter().cloned()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).unwrap();
    let lines = listed.lines().skip(1).count();
    if lines == 0 {
        return false;
    }
    assert!(lines == 1 && listed.contains(&expected.version), "{listed}");
    let (version, manifest) = only_version(folder).unwrap();
    assert_eq!(manifest, *expected);
    for file in &manifest.files {
        let (sha256, _) = artifact::Sha256Hex::of_file(&version.join(&file.path)).unwrap();
        assert_eq!(sha256, file.sha256, "{}", file.path);
    }
    true
}

#[tokio::test]
async fn a_copy_to_a_directory_is_complete_or_invisible() {
    let (version, manifest) = version().await;
    let target = tempfile::tempdir().unwrap();
    let store = target.path().join("store");
    // How long it takes from its first trace to its end.
    let mut copying = Running(publish(version, text(&store), &[]).spawn().unwrap());
    let first_trace = || {
        while !store.join("models").exists() {
            std::thread::sleep(Duration::from_millis(1))
        }
    };
    first_trace();
    let start = Instant::now();
    assert!(copying.wait().unwrap().success());
    let takes = start.elapsed();

    let mut invisible = 0;
    for kill in 0..6 {
        fs::remove_dir_all(&store).unwrap();
        let mut copying = Running(publish(version, text(&store), &[]).spawn().unwrap());
        first_trace();
        std::thread::sleep(takes * kill / 6);
        copying.signal("KILL").unwrap();
        copying.wait().unwrap();
        // No folder without its manifest, even for those who look at folders.
        let visible = is_visible(text(&store), &store, &[], manifest);
        assert_eq!(visible_versions(&store).unwrap().len(), usize::from(visible));
        invisible += usize::from(!visible);
        if kill % 2 == 1 {
            assert!(publish(version, text(&store), &[]).status().unwrap().success());
            assert!(is_visible(text(&store), &store, &[], manifest));
            assert_eq!(fs::read_dir(store.join("models/tiny")).unwrap().count(), 1, "nothing else stays");
        }
    }
    assert!(invisible >= 2, "only {invisible} kills came before the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_to_s3_is_complete_or_invisible() {
    let (version, manifest) = version().await;
    let server = S3Server::start().await;
    let environment = server.environment(ACCESS_KEY);
    let mut kills = 0;
    // Killed after its first request has taken effect, then after a few more, and so on to the last.
    for requests in (1..).step_by(5) {
        let prefix = format!("after-{requests}");
        let (location, folder) = (format!("s3://{BUCKET}/{prefix}"), server.folder(&prefix));
        server.lose_answers_from(requests);
        let mut copying = Running(publish(version, &location, &environment).spawn().unwrap());
        let finished = loop {
            tokio::select! {
                () = server.answer_lost() => break false,
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
            if let Some(status) = copying.0.try_wait().unwrap() {
                assert!(status.success());
                break true;
            }
        };
        drop(copying);
        server.lose_no_answers();
        let visible = is_visible(&location, &folder, &environment, manifest);
        if finished {
            assert!(visible);
            break;
        }
        kills += 1;
        if kills % 2 == 1 {
            assert!(publish(version, &location, &environment).status().unwrap().success());
            assert!(is_visible(&location, &folder, &environment, manifest));
        }
    }
    assert!(kills >= 4, "{kills}");
}

/// A run that has a few steps to go: the kills come in them, while the last checkpoint is written, in export and
/// evaluation, at the publication, between that and the promotion, and while the checkpoints are removed.
#[test]
fn twenty_kills_between_the_last_step_and_the_end_lose_nothing() {
    let bench = Workbench::new(EPOCHS);
    let expected = uninterrupted();
    let almost = format!("checkpoint-{:08}", expected.steps - 3);
    let training = Running(bench.train("killed").stderr(Stdio::null()).spawn().unwrap());
    let checkpoints = bench.path("killed-checkpoints");
    while checkpoints_in(&checkpoints).last().is_none_or(|newest| newest.file_name() < Some(almost.as_ref()))
    {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(training);
    let snapshot = bench.path("snapshot");
    copy_folder(&checkpoints, &snapshot).unwrap();

    let store = bench.path("killed");
    let begin = || {
        let _ = (fs::remove_dir_all(&checkpoints), fs::remove_dir_all(&store));
        copy_folder(&snapshot, &checkpoints).unwrap();
    };
    begin();
    let start = Instant::now();
    bench.finish("killed").assert_same(expected);
    let takes = start.elapsed();

    let last = format!("checkpoint-{:08}", expected.steps);
    let mut seed = 0x9e37_79b9_u64;
    let (mut trained, mut published) = (0, 0);
    for kill in 0..20 {
        begin();
        let mut running = Running(bench.train("killed").stderr(Stdio::null()).spawn().unwrap());
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = (seed >> 40) as f64 / (1u64 << 24) as f64;
        if kill < 16 {
            // A random moment of each sixteenth, the last ones in the publication.
            std::thread::sleep(takes.mul_f64((f64::from(kill) + random) / 16.0));
        } else {
            // However fast the machine is now: soon after the last step.
            while !checkpoints_in(&checkpoints).last().is_some_and(|newest| newest.ends_with(&last)) {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(takes.mul_f64(random / 50.0));
        }
        running.signal("KILL").unwrap();
        running.wait().unwrap();
        let left = checkpoints_in(&checkpoints);
        let is_trained = left.last().is_some_and(|newest| newest.ends_with(&last));
        let is_published = !visible_versions(&store).unwrap().is_empty();
        assert!(!left.is_empty() || is_published, "kill {kill}: nothing is left");
        (trained, published) =
            (trained + u32::from(is_trained && !is_published), published + u32::from(is_published));

        let output = bench.train("killed").output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kill {kill}: {log}");
        assert!(!log.contains("starting anew"), "kill {kill}: {log}");
        Published::read(&store).assert_same(expected);
        assert!(store.join("channels/live.json").exists(), "kill {kill}: no channel names it");
        assert!(checkpoints_in(&checkpoints).is_empty(), "kill {kill}: checkpoints are left");
    }
    assert!(trained >= 3, "{trained} kills came between the last step and the publication");
    eprintln!("{trained} kills came before the publication and {published} after it");
}
