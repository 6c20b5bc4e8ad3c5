//! Interrupted and resumed training runs.

#![allow(clippy::unwrap_used)] // In a test, the panic is the report.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::process::command;
use crate::trained::{corpus, only_version};

/// What a run leaves behind, without the times in it.
pub struct Published {
    /// Optimizer steps of the run.
    pub steps: usize,
    /// `model.safetensors`
    pub weights: Vec<u8>,
    /// `metrics.jsonl`
    pub metrics: Vec<serde_json::Value>,
    /// `samples.txt`
    pub samples: String,
}

impl Published {
    /// Reads the only version in a store.
    pub fn read(store: &Path) -> Self {
        let (version, manifest) = only_version(store).unwrap();
        let text = |name: &str| fs::read_to_string(version.join(name)).unwrap();
        let without_time = |line: &str| {
            let mut metrics: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(metrics["val_loss"].is_f64() || metrics["gradient_norm"].is_f64(), "{line}");
            let fields = metrics.as_object_mut().unwrap();
            fields.remove("seconds").unwrap();
            fields.remove("tokens_per_second");
            metrics
        };
        Self {
            steps: manifest.training.unwrap().steps,
            weights: fs::read(version.join("model.safetensors")).unwrap(),
            metrics: text("metrics.jsonl").lines().map(without_time).collect(),
            samples: text("samples.txt"),
        }
    }

    /// Panics unless this is the same, bit for bit.
    pub fn assert_same(&self, expected: &Self) {
        assert_eq!(self.metrics, expected.metrics);
        assert_eq!(self.samples, expected.samples);
        assert!(self.weights == expected.weights, "the weights differ");
    }
}

/// Epochs of a run that is long enough to be interrupted once or twice, each at a checkpoint of its own.
pub const EPOCHS: usize = 3;

/// What a run of [`EPOCHS`] that nobody interrupts ends with, trained once for all tests of a process.
pub fn uninterrupted() -> &'static Published {
    static EXPECTED: OnceLock<Published> = OnceLock::new();
    EXPECTED.get_or_init(|| Workbench::new(EPOCHS).finish("uninterrupted"))
}

/// A folder with a preset of a few dozen steps, `run`, and with checkpoints and stores.
pub struct Workbench(TempDir);

impl Workbench {
    /// A run of so many epochs, each of some twenty steps.
    pub fn new(epochs: usize) -> Self {
        let tiny = include_str!("../../training/presets/tiny.toml");
        let epochs = format!("epochs = {epochs}");
        // Cheap steps and exports: GPT-2's vocabulary would be nearly all of the model.
        let changes = [
            ("vocab_size = 50257 # GPT-2's byte-pair encoding", "vocab_size = 257"),
            ("[model]", "[tokenizer]\nsource = \"bytes\"\n\n[model]"),
            ("train_fraction = 0.9", "train_fraction = 0.3\nfinal_evaluation_windows = 8"),
            ("batch_size = 2", "batch_size = 2\naccumulate_batches = 2"),
            (
                "evaluate_every_steps = 20",
                "evaluate_every_steps = 4\ncheckpoint_every_steps = 2\nkeep_best = true",
            ),
            // So slow that the last weights are the best.
            ("learning_rate = 4e-3", "learning_rate = 4e-4"),
            ("epochs = 2", &epochs),
        ];
        let preset = changes.iter().fold(tiny.to_owned(), |preset, (from, to)| {
            assert!(preset.contains(from), "{from}");
            preset.replace(from, to)
        });
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("run.toml"), preset).unwrap();
        Self(folder)
    }

    /// A file or folder in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Trains into a store of the workbench, or goes on with that.
    pub fn train(&self, store: &str) -> Command {
        let location = self.path(store);
        self.train_on(location.to_str().unwrap(), &format!("{store}-checkpoints"))
    }

    /// Trains into any store, with checkpoints in a folder of the workbench, or goes on with that.
    pub fn train_on(&self, location: &str, checkpoints: &str) -> Command {
        let mut command =
            command("gpt", &["train", "--name", "run", "--resume", "--store", location]).unwrap();
        command
            .arg("--preset")
            .arg(self.path("run.toml"))
            .arg("--corpus")
            .arg(corpus())
            .arg("--checkpoints")
            .arg(self.path(checkpoints))
            .stdout(Stdio::null());
        command
    }

    /// Trains to the end and returns what has been published.
    pub fn finish(&self, store: &str) -> Published {
        let output = self.train(store).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Published::read(&self.path(store))
    }

    /// The checkpoints beside a store of the workbench, the oldest first.
    pub fn checkpoints(&self, store: &str) -> Vec<PathBuf> {
        checkpoints_in(&self.path(&format!("{store}-checkpoints")))
    }
}

/// The checkpoints of every run in a folder `--checkpoints`, the oldest first.
pub fn checkpoints_in(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let runs = entries(folder).into_iter().flat_map(|model| entries(&model));
    let mut checkpoints: Vec<_> = runs.flat_map(|run| entries(&run)).collect();
    checkpoints.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("checkpoint-"));
    checkpoints.sort_by_key(|path| path.file_name().unwrap().to_owned());
    checkpoints
}
