//! Bad input: unusable corpora, wrong presets, damaged stores. Every case
//! ends with exit code 1 and an error that names the file and the remedy, and leaves nothing behind.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::folders::{copy_folder, text};
use e2e::process::{error_message, run};
use e2e::trained::{only_version, tiny_store, visible_versions};

/// The error of training on a file with these contents.
fn training_error(file_name: &str, contents: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, store) = (folder.path().join(file_name), folder.path().join("store"));
    fs::write(&corpus, contents).unwrap();
    let arguments = ["train", "--preset", "tiny", "--corpus", text(&corpus), "--store", text(&store)];
    let message = error_message(&run("gpt", &arguments).unwrap()).unwrap();
    assert!(visible_versions(&store).unwrap().is_empty() && !store.join("channels").exists());
    message
}

#[test]
fn a_corpus_that_cannot_be_used_is_named_with_its_fault() {
    let message = training_error("short.txt", b"One sentence is not enough to train on.");
    assert!(message.contains("corpus is too short") && message.contains("at least 129"), "{message}");
    let message = training_error("empty.txt", b"");
    assert!(message.contains("corpus is too short"), "{message}");
    let message = training_error("latin1.txt", &b"caf\xe9 ".repeat(500));
    assert!(message.contains("latin1.txt: byte 3 is not valid UTF-8"), "{message}");
}

#[test]
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let missing = folder.path().join("missing.txt");
    let train = |preset: &str, corpus: &Path, store: &Path| {
        let arguments = ["train", "--preset", preset, "--corpus", text(corpus), "--store", text(store)];
        error_message(&run("gpt", &arguments).unwrap()).unwrap()
    };
    assert!(train("tiny", &missing, &store).contains("missing.txt"));
    assert!(train("tyni", &missing, &store).contains("built in are `the-verdict`, `tiny`"));

    let corpus = e2e::trained::corpus();
    let in_a_file = folder.path().join("file");
    fs::write(&in_a_file, "not a folder").unwrap();
    assert!(train("tiny", &corpus, &in_a_file).contains("file"));
}

/// A copy of a trained store, to be damaged.
fn copy(store: &Path) -> tempfile::TempDir {
    let target = tempfile::tempdir().unwrap();
    copy_folder(store, target.path()).unwrap();
    target
}

#[test]
fn a_missing_or_damaged_artifact_is_refused_and_named() {
    let refusal = |damage: &dyn Fn(PathBuf, PathBuf)| {
        let store = copy(tiny_store());
        let (version, _) = only_version(store.path()).unwrap();
        damage(version, store.path().join("channels/live.json"));
        let arguments = ["--listen", "127.0.0.1:0", "--store", text(store.path())];
        error_message(&run("generate", &arguments).unwrap()).unwrap()
    };

    let message = refusal(&|version, _| {
        let path = version.join("model.w4.onnx");
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    });
    assert!(message.contains("model.w4.onnx: its sha256 is"), "{message}");
    let message = refusal(&|version, _| {
        let file = fs::OpenOptions::new().write(true).open(version.join("model.w4.onnx")).unwrap();
        file.set_len(1000).unwrap();
    });
    assert!(message.contains("model.w4.onnx: its length is 1000"), "{message}");
    let message = refusal(&|version, _| fs::remove_file(version.join("model.w4.onnx")).unwrap());
    assert!(message.contains("model.w4.onnx: there is no such file"), "{message}");
    let message = refusal(&|version, _| fs::remove_file(version.join("manifest.json")).unwrap());
    assert!(message.contains("manifest.json: there is no such version"), "{message}");
    let message = refusal(&|version, _| fs::write(version.join("manifest.json"), "{}").unwrap());
    assert!(message.contains("manifest.json: its sha256 is"), "{message}");
    let message = refusal(&|_, channel| fs::remove_file(channel).unwrap());
    assert!(message.contains("no channel `live`"), "{message}");
    let message = refusal(&|_, channel| fs::write(channel, "live").unwrap());
    assert!(message.contains("live.json: it is not a valid channel"), "{message}");
}
