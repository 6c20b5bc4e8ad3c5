//! A training run that is interrupted ends with the same weights as one that is not, bit for bit.

#![allow(clippy::unwrap_used)] // In a test, the panic is the report.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::process::{Running, error_message, eventually, program};
use e2e::trained::{corpus, only_version, visible_versions};

/// What a run leaves behind, without the times in it.
struct Published {
    weights: Vec<u8>,
    metrics: Vec<serde_json::Value>,
    samples: String,
}

/// A folder with a preset of a few dozen steps, checkpoints and stores.
struct Workbench(tempfile::TempDir);

impl Workbench {
    fn new() -> Self {
        let tiny = include_str!("../../training/presets/tiny.toml");
        let preset = tiny
            .replace("evaluate_every_steps = 20", "evaluate_every_steps = 4\nkeep_best = true")
            .replace("epochs = 2", "epochs = 8")
            .replace("[sample]", "checkpoint_every_steps = 2\naccumulate_batches = 2\n\n[sample]");
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("run.toml"), preset).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn train(&self, store: &str) -> Command {
        let mut command = Command::new(program("gpt").unwrap());
        command
            .args(["train", "--resume", "--preset"])
            .arg(self.path("run.toml"))
            .arg("--corpus")
            .arg(corpus())
            .arg("--store")
            .arg(self.path(store))
            .arg("--checkpoints")
            .arg(self.path(&format!("{store}-checkpoints")))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    /// Trains to the end and returns what has been published.
    fn finish(&self, store: &str) -> Published {
        let output = self.train(store).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (version, manifest) = only_version(&self.path(store)).unwrap();
        let steps = manifest.training.unwrap().steps;
        assert!(steps >= 130, "{steps}");
        let text = |name: &str| fs::read_to_string(version.join(name)).unwrap();
        let without_time = |line: &str| {
            let mut evaluation: serde_json::Value = serde_json::from_str(line).unwrap();
            evaluation.as_object_mut().unwrap().remove("seconds").unwrap();
            assert!(evaluation["val_loss"].is_f64(), "{line}");
            evaluation
        };
        Published {
            weights: fs::read(version.join("model.safetensors")).unwrap(),
            metrics: text("metrics.jsonl").lines().map(without_time).collect(),
            samples: text("samples.txt"),
        }
    }

    fn checkpoints(&self, store: &str) -> Vec<PathBuf> {
        let folder = self.path(&format!("{store}-checkpoints")).join("run");
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'));
        paths.sort();
        paths
    }
}

/// What a run that nobody interrupts ends with.
fn uninterrupted() -> &'static Published {
    static EXPECTED: OnceLock<Published> = OnceLock::new();
    EXPECTED.get_or_init(|| {
        let bench = Workbench::new();
        let published = bench.finish("uninterrupted");
        assert!(bench.checkpoints("uninterrupted").is_empty(), "a finished run leaves no checkpoints");
        published
    })
}

/// The kill comes anywhere: while the program starts, restores, trains, or writes a checkpoint.
#[test]
fn twenty_kills_change_nothing() {
    let bench = Workbench::new();
    let mut newest = None;
    for kill in 0..20u64 {
        let child = Running(bench.train("killed").stderr(Stdio::null()).spawn().unwrap());
        let gets_further = kill % 2 == 1;
        if gets_further {
            eventually(|| {
                let found = bench.checkpoints("killed").pop();
                ensure!(found > newest, "no newer checkpoint");
                newest = found;
                Ok(())
            })
            .unwrap();
        }
        // Delays that have nothing to do with each other, and together are far from a whole run.
        std::thread::sleep(Duration::from_millis(kill * 7919 % if gets_further { 200 } else { 700 }));
        child.signal("KILL").unwrap();
        drop(child);
        assert!(visible_versions(&bench.path("killed")).unwrap().is_empty(), "killed before the end");
    }
    assert!(newest.is_some());
    let (found, expected) = (bench.finish("killed"), uninterrupted());
    assert_eq!(found.metrics, expected.metrics);
    assert_eq!(found.samples, expected.samples);
    assert!(found.weights == expected.weights, "the weights differ");
}

#[test]
fn a_signal_makes_a_checkpoint_and_a_damaged_one_is_passed_over() {
    let bench = Workbench::new();
    let mut child = Running(bench.train("stopped").stderr(Stdio::piped()).spawn().unwrap());
    eventually(|| {
        ensure!(bench.checkpoints("stopped").len() == 2, "fewer than two checkpoints");
        Ok(())
    })
    .unwrap();
    child.signal("TERM").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let mut log = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("error: stopped after step") && log.contains("--resume"), "{log}");

    let checkpoints = bench.checkpoints("stopped");
    let newest = checkpoints.last().unwrap();
    let damaged: &Path = &newest.join("model.burnpack");
    let mut bytes = fs::read(damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(damaged, bytes).unwrap();

    let output = bench.train("stopped").output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains("passing over a damaged checkpoint") && log.contains("model.burnpack"), "{log}");
    assert!(log.contains("going on after step"), "{log}");
    let (version, _) = only_version(&bench.path("stopped")).unwrap();
    assert!(fs::read(version.join("model.safetensors")).unwrap() == uninterrupted().weights);
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let bench = Workbench::new();
    let child = Running(bench.train("stopped").stderr(Stdio::null()).spawn().unwrap());
    eventually(|| bench.checkpoints("stopped").pop().context("no checkpoint")).unwrap();
    drop(child);
    let preset = fs::read_to_string(bench.path("run.toml")).unwrap();
    fs::write(bench.path("run.toml"), preset.replace("seed = 123", "seed = 124")).unwrap();
    let message = error_message(&bench.train("stopped").output().unwrap()).unwrap();
    assert!(message.contains("`preset.training.seed` was 123 and is 124"), "{message}");
    assert!(message.contains("without --resume"), "{message}");
}
