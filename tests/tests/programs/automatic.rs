//! The preset `auto`: a plan for a text and a budget, which is kept, saved and trained.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::ensure;
use artifact::manifest::Precision;
use e2e::process::{Running, command, eventually, refusal, run};
use e2e::trained::{corpus, only_version, visible_versions};
use e2e::workbench::{Published, checkpoints_in};

/// `gpt train` on the text of the tests into a folder.
fn train(folder: &Path, store: &str, arguments: &[&str]) -> Command {
    let mut command = command("gpt", &["train", "--name", "run"]).unwrap();
    command.args(arguments).arg("--corpus").arg(corpus()).arg("--store").arg(folder.join(store));
    command.arg("--checkpoints").arg(folder.join(format!("{store}-checkpoints")));
    command
}

fn log(output: &Output) -> String {
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    log
}

/// Runs a training until there is a checkpoint besides those of `before`, and interrupts it; gives the checkpoints.
fn interrupt(mut training: Command, checkpoints: &Path, before: &[PathBuf]) -> Vec<PathBuf> {
    let mut child = Running(training.stderr(Stdio::null()).spawn().unwrap());
    eventually(|| {
        ensure!(checkpoints_in(checkpoints).iter().any(|path| !before.contains(path)), "no checkpoint");
        Ok(())
    })
    .unwrap();
    child.signal("TERM").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    checkpoints_in(checkpoints)
}

#[test]
fn a_plan_is_a_preset_that_trains_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved.toml");
    let saved = saved.to_str().unwrap();
    let planned = ["--preset", "auto", "--budget", "40 steps", "--save-preset", saved];
    let first = log(&train(folder.path(), "first", &planned).output().unwrap());
    assert!(first.contains("plan for 40 steps: 2 layers, 64 wide, 512 ids"), "{first}");
    let (version, manifest) = only_version(&folder.path().join("first")).unwrap();
    assert_eq!(manifest.training.as_ref().unwrap().steps, 40);
    // Compared with the model's definition, not with fused products, which differ from both.
    let float32 = manifest.variants.iter().find(|variant| variant.precision == Precision::Float32).unwrap();
    assert!(float32.largest_logit_difference < 1e-5, "{}", float32.largest_logit_difference);
    assert!(version.join("tokenizer.json").is_file());
    let again = train(folder.path(), "second", &["--preset", saved]).output().unwrap();
    assert!(!log(&again).contains("plan for"));
    let [first, second] = ["first", "second"].map(|store| Published::read(&folder.path().join(store)));
    second.assert_same(&first);
}

#[test]
fn an_interrupted_run_goes_on_with_its_plan() {
    let folder = tempfile::tempdir().unwrap();
    let planned = ["--preset", "auto", "--budget", "200 steps"];
    let again = || train(folder.path(), "store", &planned);
    interrupt(again(), &folder.path().join("store-checkpoints"), &[]);
    assert!(visible_versions(&folder.path().join("store")).unwrap().is_empty(), "interrupted before the end");

    // The plan is the same, so the run is known, and is not begun anew unless that is asked for.
    let refused = again().output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--resume"));
    let resumed = log(&again().arg("--resume").output().unwrap());
    for text in ["going on with the plan of", "plan.json", "going on after step"] {
        assert!(resumed.contains(text), "{text}: {resumed}");
    }
    let whole = log(&train(folder.path(), "whole", &planned).output().unwrap());
    assert!(whole.contains("plan for 200 steps"), "{whole}");
    let [resumed, whole] = ["store", "whole"].map(|store| Published::read(&folder.path().join(store)));
    resumed.assert_same(&whole);
}

/// Another plan is another run: its checkpoints would lie beside those of the plan before it.
#[test]
fn a_new_plan_leaves_no_checkpoints_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = folder.path().join("store-checkpoints");
    let planned = ["--preset", "auto", "--budget", "200 steps"];
    let training = |more: &str| train(folder.path(), "store", &[&planned[..], &[more]].concat());
    // The plan of another machine, or of an earlier version of this program.
    interrupt(training("--log=json"), &checkpoints, &[]);
    let mut files =
        fs::read_dir(checkpoints.join("run")).unwrap().map(|entry| entry.unwrap().path().join("plan.json"));
    let file = files.find(|file| file.exists()).unwrap();
    let plan = fs::read_to_string(&file).unwrap();
    let rate = plan.lines().find(|line| line.contains("\"learning_rate\"")).unwrap();
    fs::write(&file, plan.replace(rate, "\"learning_rate\": 0.001234,")).unwrap();
    for checkpoint in checkpoints_in(&checkpoints) {
        fs::remove_dir_all(checkpoint).unwrap();
    }
    let of_old_plan = interrupt(training("--resume"), &checkpoints, &[]);
    let left = interrupt(training("--restart"), &checkpoints, &of_old_plan);
    assert!(of_old_plan.iter().all(|path| !left.contains(path)), "{of_old_plan:?} {left:?}");
}

#[test]
fn a_dry_run_says_what_would_be_planned_and_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dry = ["--preset", "auto", "--budget", "30s", "--dry-run"];
    let output = train(folder.path(), "store", &dry).output().unwrap();
    let said = log(&output);
    assert!(said.contains("plan for 30s") && said.contains("bits per byte"), "{said}");
    assert!(!folder.path().join("store-checkpoints").exists() && !folder.path().join("store").exists());
}

#[test]
fn what_auto_cannot_do_is_refused_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let texts = ["--corpus", "no/such/text", "--store", folder.path().to_str().unwrap()];
    for (arguments, expected) in [
        (&["--preset", "tiny", "--budget", "10m"][..], "--budget is for --preset auto"),
        (&["--preset", "auto", "--set", "model.n_layers=3"], "--preset auto chooses `model.n_layers`"),
    ] {
        let error = refusal(&[&["train"], arguments, &texts].concat());
        assert!(error.contains(expected), "{expected}: {error}");
    }
    for (budget, expected) in [("fast", "such as 90s, 10m or 1h30m"), ("1s", "a time from 20s to 100d")] {
        let arguments = [&["train", "--preset", "auto", "--budget", budget][..], &texts].concat();
        let refused = run("gpt", &arguments).unwrap();
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && error.contains(expected), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
