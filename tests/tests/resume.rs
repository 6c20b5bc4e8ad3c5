//! Resume: a training run that is interrupted ends with the same weights, bit for bit.

#![allow(clippy::unwrap_used)] // In a test, the panic is the report.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::process::{Running, error_message, eventually};
use e2e::trained::{only_version, visible_versions};
use e2e::workbench::{Published, Workbench};

/// Long enough to be killed many times.
const EPOCHS: usize = 8;

/// What a run that nobody interrupts ends with.
fn uninterrupted() -> &'static Published {
    static EXPECTED: OnceLock<Published> = OnceLock::new();
    EXPECTED.get_or_init(|| {
        let bench = Workbench::new(EPOCHS);
        let published = bench.finish("uninterrupted");
        assert!(published.steps >= 130, "{}", published.steps);
        assert!(bench.checkpoints("uninterrupted").is_empty(), "a finished run leaves no checkpoints");
        published
    })
}

/// The kill comes anywhere: while the program starts, restores, trains, or writes a checkpoint.
#[test]
fn twenty_kills_change_nothing() {
    let bench = Workbench::new(EPOCHS);
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
    bench.finish("killed").assert_same(uninterrupted());
}

#[test]
fn a_signal_makes_a_checkpoint_and_a_damaged_one_is_passed_over() {
    let bench = Workbench::new(EPOCHS);
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
    let bench = Workbench::new(EPOCHS);
    let child = Running(bench.train("stopped").stderr(Stdio::null()).spawn().unwrap());
    eventually(|| bench.checkpoints("stopped").pop().context("no checkpoint")).unwrap();
    drop(child);
    let preset = fs::read_to_string(bench.path("run.toml")).unwrap();
    fs::write(bench.path("run.toml"), preset.replace("seed = 123", "seed = 124")).unwrap();
    let message = error_message(&bench.train("stopped").output().unwrap()).unwrap();
    assert!(message.contains("`preset.training.seed` was 123 and is 124"), "{message}");
    assert!(message.contains("without --resume"), "{message}");
}
