//! Corpora in S3, and checkpoints in a store that does not do all that it is asked to.

#![allow(clippy::unwrap_used)] // In a test, the panic is the report.

use std::fs;
use std::path::Path;

use e2e::process::command;
use e2e::trained::{corpus, only_version, visible_versions};
use s3_server::{ACCESS_KEY, BUCKET, KEEPING_KEY, S3Server};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Trains the preset `tiny` with checkpoints in a folder of its own, as on a new machine; gives what
/// it said.
fn train(corpus: &str, store: &str, more: &[&str], environment: &[(&str, String)]) -> String {
    let machine = tempfile::tempdir().unwrap();
    let mut command = command("gpt", &["train", "--preset", "tiny", "--corpus", corpus]).unwrap();
    command.args(["--set", "training.epochs=1", "--store", store]).args(more);
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
    fs::write(server.folder("texts/notes.md"), "no text").unwrap();

    let environment = server.environment(ACCESS_KEY);
    let address = format!("s3://{BUCKET}/texts");
    let cache = ["--cache", text(&cache)];
    train(&address, text(&store), &cache, &environment);
    let (_, manifest) = only_version(&store).unwrap();
    let names: Vec<_> = manifest.training.unwrap().corpus.into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["first.txt", "text.txt"]);

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
    let more = ["--resume", "--mirror-checkpoints", "--set", "training.checkpoint_every_steps=10"];
    let log = train(text(&corpus), &location, &more, &environment);
    assert!(log.contains("starting anew"), "{log}");
    assert_eq!(log.matches("no longer needed stay in the store").count(), 1, "{log}");
    assert!(log.contains("allow s3:DeleteObject"), "{log}");

    // What the same run left when it was done leads to the same weights; another run does not see it.
    let log = train(text(&corpus), &location, &more, &environment);
    assert!(log.contains("going on after step"), "{log}");
    let other = [&more[..], &["--set", "training.seed=9", "--name", "tiny"]].concat();
    let log = train(text(&corpus), &location, &other, &environment);
    assert!(log.contains("starting anew"), "{log}");
    let mut weights: Vec<_> = visible_versions(&server.folder("team")).unwrap();
    weights.sort();
    let weights: Vec<_> =
        weights.iter().map(|version| fs::read(version.join("model.safetensors")).unwrap()).collect();
    assert!(weights.len() == 3 && weights[0] == weights[1] && weights[0] != weights[2]);
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
