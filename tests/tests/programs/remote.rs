//! Training on machines that can vanish: corpora in S3, and checkpoints mirrored to the store.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::ensure;
use e2e::folders::text;
use e2e::process::{Running, command, eventually};
use e2e::trained::{corpus, only_version, visible_versions};
use e2e::workbench::{EPOCHS, Published, Workbench, uninterrupted};
use s3_server::{ACCESS_KEY, BUCKET, KEEPING_KEY, S3Server};

/// Trains the preset `tiny` on bytes, with checkpoints in a folder of its own, as on a new machine; gives what
/// it said.
fn train(corpus: &str, store: &str, more: &[&str], environment: &[(&str, String)]) -> String {
    let machine = tempfile::tempdir().unwrap();
    let mut command = command("gpt", &["train", "--preset", "tiny", "--corpus", corpus]).unwrap();
    command.args(["--tokenizer", "bytes", "--set", "training.epochs=1"]);
    command.args(["--set", "training.final_evaluation_windows=2"]);
    command.args(["--store", store]).args(more);
    command.arg("--checkpoints").arg(machine.path().join("checkpoints"));
    let output = command.envs(environment.iter().cloned()).output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{log}");
    log
}

#[test]
fn a_model_is_trained_and_evaluated_on_texts_in_s3() {
    let server = S3Server::start_beside();
    let folder = tempfile::tempdir().unwrap();
    let (store, cache) = (folder.path().join("store"), folder.path().join("cache"));
    let story = fs::read_to_string(corpus()).unwrap();
    let half = (story.len() / 2..).find(|&index| story.is_char_boundary(index)).unwrap();
    let (first, second) = story.split_at(half);
    fs::create_dir_all(server.folder("texts/more")).unwrap();
    fs::write(server.folder("texts/first.txt"), first).unwrap();
    fs::write(server.folder("texts/more/second part.txt"), second).unwrap();
    fs::write(server.folder("texts/notes.py"), "no text").unwrap();

    let environment = server.environment(ACCESS_KEY);
    let address = format!("s3://{BUCKET}/texts");
    let cache = ["--cache", text(&cache)];
    let origin = [("AWS_BATCH_JOB_ID", "876da822"), ("IMAGE_DIGEST", "sha256:0123")];
    let origin = origin.map(|(name, value)| (name, value.to_owned()));
    train(&address, text(&store), &cache, &[environment.as_slice(), &origin].concat());
    let (_, manifest) = only_version(&store).unwrap();
    assert_eq!(manifest.job_id.as_deref(), Some("876da822"));
    assert_eq!(manifest.image_digest.as_deref(), Some("sha256:0123"));
    let names: Vec<_> = manifest.training.unwrap().corpus.into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["first.txt", "text-secondpart.txt"]);

    // Evaluation reads one object, and needs no other.
    let address = format!("{address}/more/second part.txt");
    let arguments = [["evaluate", "--store", text(&store), "--corpus", &address].as_slice(), &cache].concat();
    let output = command("gpt", &arguments).unwrap().envs(environment).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn checkpoints_that_may_not_be_removed_do_no_harm() {
    let server = S3Server::start_beside();
    let environment = server.environment(KEEPING_KEY);
    let location = format!("s3://{BUCKET}/team");
    let corpus = corpus();
    let more = ["--resume", "--mirror-checkpoints", "--set", "training.checkpoint_every_steps=40"];
    let log = train(text(&corpus), &location, &more, &environment);
    assert!(log.contains("starting anew"), "{log}");
    assert_eq!(log.matches("no longer needed stay in the store").count(), 1, "{log}");
    assert!(log.contains("allow s3:DeleteObject"), "{log}");

    // Its checkpoints are still there, and so is the record that it is published.
    let log = train(text(&corpus), &location, &more, &environment);
    assert!(log.contains("this run is complete: it is published as"), "{log}");
    let (version, _) = only_version(&server.folder("team")).unwrap();
    // Made longer, it goes on from them; asked for anew, it ends with the same weights.
    let log = train(
        text(&corpus),
        &location,
        &[&more[..], &["--margin", "100", "--set", "training.epochs=2"]].concat(),
        &environment,
    );
    assert!(log.contains("going on after step"), "{log}");
    train(text(&corpus), &location, &[&more[1..], &["--margin", "100"]].concat(), &environment);
    let versions = visible_versions(&server.folder("team")).unwrap();
    let read = |version: &Path| fs::read(version.join("model.safetensors")).unwrap();
    assert_eq!(versions.iter().filter(|other| read(other) == read(&version)).count(), 2);
    assert_eq!(versions.len(), 3);
}

#[test]
fn training_goes_on_where_the_store_takes_no_checkpoint() {
    let store = tempfile::tempdir().unwrap();
    fs::write(store.path().join("checkpoints"), "no folder").unwrap();
    let more = ["--mirror-checkpoints", "--set", "training.checkpoint_every_steps=30"];
    let log = train(text(&corpus()), text(store.path()), &more, &[]);
    assert!(
        log.contains("checkpoint-00000030 is on this machine only, copying it to the store failed"),
        "{log}"
    );
    only_version(store.path()).unwrap();
}

/// The checkpoints in a store's folder, the oldest first.
fn mirrored(store: &Path) -> Vec<PathBuf> {
    let Some(Ok(run)) = fs::read_dir(store.join("checkpoints/run")).ok().and_then(|mut runs| runs.next())
    else {
        return Vec::new();
    };
    let Ok(checkpoints) = fs::read_dir(run.path()) else { return Vec::new() };
    let mut checkpoints: Vec<_> = checkpoints.map(|entry| entry.unwrap().path()).collect();
    checkpoints.retain(|checkpoint| checkpoint.join("state.json").exists());
    checkpoints.sort();
    checkpoints
}

/// Machines that vanish one after the other, with all that is on them. `folder` is that of the store.
fn goes_on_elsewhere(location: &str, folder: &Path, environment: &[(&str, String)]) {
    let bench = Workbench::new(EPOCHS);
    let train = |machine: &str| {
        let mut command = bench.train_on(location, machine);
        command.arg("--mirror-checkpoints").envs(environment.iter().cloned());
        command
    };
    let mut newest = None;
    for (machine, signal) in [("first", "KILL"), ("second", "TERM")] {
        let mut child = Running(train(machine).stderr(Stdio::null()).spawn().unwrap());
        eventually(|| {
            let found = mirrored(folder).pop();
            ensure!(found > newest, "no newer checkpoint");
            newest = found;
            Ok(())
        })
        .unwrap();
        child.signal(signal).unwrap();
        child.wait().unwrap();
        fs::remove_dir_all(bench.path(machine)).unwrap();
    }

    // Should one be damaged, the other is at hand.
    let checkpoints = mirrored(folder);
    assert_eq!(checkpoints.len(), 2, "{checkpoints:?}");
    let damaged = checkpoints[1].join("model.burnpack");
    fs::remove_file(&damaged).unwrap();

    let output = train("last").output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains("passing over a damaged checkpoint") && log.contains("model.burnpack"), "{log}");
    let step = checkpoints[0]
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .trim_start_matches(|c: char| !matches!(c, '1'..='9'));
    assert!(log.contains(&format!("going on after step {step} from")), "{log}");
    Published::read(folder).assert_same(uninterrupted());
    assert!(mirrored(folder).is_empty(), "a finished run leaves no checkpoints");
}

#[test]
fn a_run_goes_on_on_another_machine_from_a_directory() {
    let store = tempfile::tempdir().unwrap();
    goes_on_elsewhere(store.path().to_str().unwrap(), store.path(), &[]);
}

#[test]
fn a_run_goes_on_on_another_machine_from_s3() {
    let server = S3Server::start_beside();
    let environment = server.environment(ACCESS_KEY);
    goes_on_elsewhere(&format!("s3://{BUCKET}/team"), &server.folder("team"), &environment);
}
