//! A training run that is interrupted ends with the same weights as one that is not, bit for bit.

#![allow(clippy::unwrap_used)] // In a test, the panic is the report.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::process::{Running, error_message, eventually};
use e2e::trained::{only_version, visible_versions};
use e2e::workbench::{Published, Workbench};
use s3_server::{ACCESS_KEY, BUCKET, S3Server};

/// What a run that nobody interrupts ends with.
fn uninterrupted() -> &'static Published {
    static EXPECTED: OnceLock<Published> = OnceLock::new();
    EXPECTED.get_or_init(|| {
        let bench = Workbench::default();
        let published = bench.finish("uninterrupted");
        assert!(bench.checkpoints("uninterrupted").is_empty(), "a finished run leaves no checkpoints");
        published
    })
}

/// The kill comes anywhere: while the program starts, restores, trains, or writes a checkpoint.
#[test]
fn twenty_kills_change_nothing() {
    let bench = Workbench::default();
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
    let bench = Workbench::default();
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
    let bench = Workbench::default();
    let child = Running(bench.train("stopped").stderr(Stdio::null()).spawn().unwrap());
    eventually(|| bench.checkpoints("stopped").pop().context("no checkpoint")).unwrap();
    drop(child);
    let preset = fs::read_to_string(bench.path("run.toml")).unwrap();
    fs::write(bench.path("run.toml"), preset.replace("seed = 123", "seed = 124")).unwrap();
    let message = error_message(&bench.train("stopped").output().unwrap()).unwrap();
    assert!(message.contains("`preset.training.seed` was 123 and is 124"), "{message}");
    assert!(message.contains("without --resume"), "{message}");
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
    let bench = Workbench::default();
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
