//! Trainings on several devices and in little memory.

use std::fs;
use std::process::Command;

use e2e::process::{command, error_message, program};
use e2e::workbench::{Published, Workbench};

/// A run of two batches a step, without dropout: each process would drop others.
fn bench() -> Workbench {
    let bench = Workbench::new(1);
    let preset = fs::read_to_string(bench.path("run.toml")).unwrap();
    fs::write(bench.path("run.toml"), preset.replace("dropout = 0.1", "dropout = 0.0")).unwrap();
    bench
}

fn losses(published: &Published) -> Vec<f64> {
    let of = |metrics: &serde_json::Value| {
        ["loss", "val_loss"].into_iter().find_map(|name| metrics[name].as_f64()).unwrap()
    };
    published.metrics.iter().map(of).collect()
}

#[test]
fn two_processes_train_as_one_does() {
    let bench = bench();
    let expected = losses(&bench.finish("one"));
    let both = bench.train("two").args(["--devices", "2", "--device", "cpu"]).output().unwrap();
    assert!(both.status.success(), "{}", String::from_utf8_lossy(&both.stderr));
    let found = losses(&Published::read(&bench.path("two")));
    assert!(expected.len() > 20 && found.len() == expected.len(), "{}", found.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-4, "{found} != {expected}");
    }

    let message = error_message(&bench.train("five").args(["--devices", "5"]).output().unwrap()).unwrap();
    assert!(message.contains("--devices is 5, and a step has 2 batches"), "{message}");
}

/// The logits of 512 windows of 64 tokens alone are 6.6 GB.
#[test]
fn a_batch_that_is_too_large_is_an_error_that_names_one_that_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/../training/corpus/the-north-light.txt");
    let train = command("gpt", &["train", "--preset", "tiny", "--device", "cpu", "--corpus", text]).unwrap();
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -v 4000000 && exec \"$@\"", "sh"]).arg(program("gpt").unwrap());
    limited.args(train.get_args()).current_dir(&folder);
    limited.args(["--store", "store", "--set", "training.stride=1", "--set", "training.batch_size=512"]);
    let message = error_message(&limited.output().unwrap()).unwrap();
    assert!(message.contains("not enough for a batch of 512 windows of 64 tokens; it is for "), "{message}");
    assert!(message.contains("--set training.tokens_per_step=32768"), "{message}");
    assert!(!message.contains("allocate"), "{message}");
}
