//! Failures of the environment (a full disk, no permission, no server): a clear error within seconds, and
//! nothing that a reader would take for a version.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use e2e::confined::{heeding_modes, on_small_disk};
use e2e::folders::text;
use e2e::process::{command, error_message};
use e2e::trained::{corpus, only_version, tiny_store, visible_versions};
use s3_server::{ACCESS_KEY, BUCKET, EXPIRED_KEY, S3Server, environment};
use tempfile::TempDir;

/// A person waits for an error, with two cores that other tests use too.
const SECONDS: Duration = Duration::from_secs(20);

/// A published version of some megabytes.
fn version() -> PathBuf {
    only_version(tiny_store()).unwrap().0
}

/// Where a training run keeps things.
struct Places {
    root: TempDir,
}

impl Places {
    fn new() -> Self {
        let places = Self { root: tempfile::tempdir().unwrap() };
        for name in ["store", "cache", "checkpoints", "kept"] {
            fs::create_dir(places.path(name)).unwrap();
        }
        places
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A short training run with checkpoints; little is evaluated.
    fn train(&self) -> Command {
        let [store, cache, checkpoints] = ["store", "cache", "checkpoints"].map(|name| self.path(name));
        let mut command =
            command("gpt", &["train", "--preset", "tiny", "--corpus", text(&corpus())]).unwrap();
        command.args(["--set", "training.epochs=1", "--set", "training.checkpoint_every_steps=20"]);
        command.args(["--set", "training.final_evaluation_windows=2"]).arg("--store").arg(store);
        command.arg("--cache").arg(cache).arg("--checkpoints").arg(checkpoints);
        command
    }

    fn publish(&self) -> Command {
        command("gpt", &["publish", text(&version()), "--store", text(&self.path("store"))]).unwrap()
    }
}

/// The message of a run that must fail soon; `store` shows no version then.
fn failure(run: impl FnOnce() -> Output, store: &Path) -> String {
    let start = Instant::now();
    let output = run();
    assert!(start.elapsed() < SECONDS, "{:?}", start.elapsed());
    assert!(visible_versions(store).unwrap().is_empty() && !store.join("channels").exists());
    error_message(&output).unwrap()
}

#[test]
fn a_full_disk_is_named_and_holds_no_version() {
    // Room for a part of what is written: the weights have 5 MB, the token ids 20 kB.
    for (disk, kibibytes, publishes) in
        [("store", 3_000, false), ("store", 3_000, true), ("cache", 8, false), ("checkpoints", 3_000, false)]
    {
        let places = Places::new();
        let command = if publishes { places.publish() } else { places.train() };
        let (full, kept) = (places.path(disk), places.path("kept"));
        let store = if disk == "store" { kept.clone() } else { places.path("store") };
        let message = failure(|| on_small_disk(&command, &full, kibibytes, &kept), &store);
        assert!(message.contains("No space left on device") && message.contains(text(&full)), "{message}");
        let names: Vec<_> = fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        // Of a checkpoint that was not finished nothing stays, not even the folder of its run.
        assert_eq!(names.is_empty(), disk == "checkpoints", "{disk}: {names:?}");
    }
}

/// Room for the run's records and not for its weights, which have 5 MB.
#[test]
fn what_is_trained_survives_a_full_store() {
    let places = Places::new();
    let (full, kept) = (places.path("store"), places.path("kept"));
    let message = failure(|| on_small_disk(&places.train(), &full, 3_000, &kept), &kept);
    assert!(message.contains("No space left on device"), "{message}");
    assert!(message.contains("the trained weights are kept in") && message.contains("--resume"), "{message}");
    // The same command, without being told to.
    let output = places.train().output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains("this run is trained, to step") && !log.contains("step    20"), "{log}");
    only_version(&full).unwrap();
}

#[test]
fn a_folder_that_may_not_be_written_is_named() {
    for (closed, publishes) in [("store", false), ("store", true), ("cache", false), ("checkpoints", false)] {
        let places = Places::new();
        let command = if publishes { places.publish() } else { places.train() };
        let folder = places.path(closed);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
        let message = failure(|| heeding_modes(&command), &places.path("store"));
        assert!(message.contains("Permission denied") && message.contains(text(&folder)), "{message}");
    }
}

/// What each command says that uses a store or a corpus in S3 and cannot.
fn failures_in_s3(environment: &[(&'static str, String)], folder: &Path) -> Vec<String> {
    let location = format!("s3://{BUCKET}/team");
    let places = Places::new();
    let local = places.path("store");
    let with = |arguments: &[&str]| command("gpt", arguments).unwrap();
    let (corpus, cache) = (corpus(), places.path("cache"));
    let commands = [
        with(&["models", "--store", &location]),
        with(&["rollback", "--store", &location]),
        with(&["publish", text(&version()), "--store", &location]),
        with(&["train", "--preset", "tiny", "--corpus", text(&corpus), "--store", &location]),
        with(&[
            "train",
            "--preset",
            "tiny",
            "--corpus",
            &location,
            "--store",
            text(&local),
            "--cache",
            text(&cache),
        ]),
        command("generate", &["--store", &location, "--listen", "127.0.0.1:0"]).unwrap(),
    ];
    let run = |mut command: Command| {
        let message = failure(|| command.envs(environment.iter().cloned()).output().unwrap(), folder);
        assert!(message.contains(&location), "{message}");
        message
    };
    let messages = commands.map(run);
    assert!(visible_versions(&local).unwrap().is_empty());
    messages.into()
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let nowhere = tempfile::tempdir().unwrap();
    for message in failures_in_s3(&environment(&endpoint, ACCESS_KEY), nowhere.path()) {
        assert!(message.contains("the server cannot be reached"), "{message}");
        assert!(message.contains("Connection refused") && message.contains("AWS_ENDPOINT_URL"), "{message}");
    }
}

#[test]
fn credentials_that_have_expired_are_named() {
    let server = S3Server::start_beside();
    for message in failures_in_s3(&server.environment(EXPIRED_KEY), &server.folder("team")) {
        assert!(message.contains("the credentials have expired (ExpiredToken"), "{message}");
        assert!(message.contains("sign in again"), "{message}");
    }
}
