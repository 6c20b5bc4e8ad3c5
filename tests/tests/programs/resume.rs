//! Resume: a training run that is interrupted ends with the same weights, bit for bit.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::process::{Running, error_message, eventually};
use e2e::trained::{only_version, visible_versions};
use e2e::workbench::{EPOCHS, Published, Workbench, uninterrupted};

/// Long enough to be killed many times.
const LONG_EPOCHS: usize = 24;

/// What a long run that nobody interrupts ends with.
fn long_uninterrupted() -> &'static Published {
    static EXPECTED: OnceLock<Published> = OnceLock::new();
    EXPECTED.get_or_init(|| {
        let bench = Workbench::new(LONG_EPOCHS);
        let published = bench.finish("uninterrupted");
        assert!(published.steps >= 500, "{}", published.steps);
        assert!(bench.checkpoints("uninterrupted").is_empty(), "a finished run leaves no checkpoints");
        published
    })
}

/// The kill comes anywhere: while the program starts, restores, trains, or writes a checkpoint.
#[test]
fn twenty_kills_change_nothing() {
    let bench = Workbench::new(LONG_EPOCHS);
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
    bench.finish("killed").assert_same(long_uninterrupted());
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

/// With dropout, whose masks a step draws anew.
#[test]
fn a_run_in_bf16_goes_on_bit_for_bit() {
    let bench = Workbench::new(EPOCHS);
    let preset = fs::read_to_string(bench.path("run.toml")).unwrap();
    fs::write(bench.path("run.toml"), preset.replace("seed = 123", "seed = 123\nprecision = \"bf16\""))
        .unwrap();
    let expected = bench.finish("uninterrupted");
    interrupt(&bench, "stopped");
    bench.finish("stopped").assert_same(&expected);
    assert!(expected.weights != uninterrupted().weights);
}

/// Trains until there is a checkpoint, and kills that.
fn interrupt(bench: &Workbench, store: &str) -> PathBuf {
    let child = Running(bench.train(store).stderr(Stdio::null()).spawn().unwrap());
    let found = eventually(|| bench.checkpoints(store).pop().context("no checkpoint"));
    drop(child);
    found.unwrap();
    bench.checkpoints(store).pop().unwrap()
}

/// The arguments of a command but for some.
fn without(command: &Command, unwanted: &[&str]) -> Command {
    let mut changed = Command::new(command.get_program());
    changed.args(command.get_args().filter(|argument| !unwanted.iter().any(|name| argument == name)));
    changed
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{log}");
    log
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let bench = Workbench::new(EPOCHS);
    interrupt(&bench, "stopped");
    let preset = fs::read_to_string(bench.path("run.toml")).unwrap();
    fs::write(bench.path("run.toml"), preset.replace("seed = 123", "seed = 124")).unwrap();
    let message = error_message(&bench.train("stopped").output().unwrap()).unwrap();
    assert!(message.contains("`training.seed` was 123 and is 124"), "{message}");
    assert!(message.contains("without --resume"), "{message}");
}

#[test]
fn another_run_of_the_same_name_leaves_the_checkpoints_of_the_first() {
    let bench = Workbench::new(EPOCHS);
    interrupt(&bench, "shared");
    let before = bench.checkpoints("shared");
    let run = before[0].parent().unwrap();
    let notes = [bench.path("shared-checkpoints/notes.txt"), run.join("notes.txt")];
    notes.iter().for_each(|path| fs::write(path, "of somebody else").unwrap());
    let (text, longer) = (e2e::trained::corpus(), bench.path("longer.txt"));
    fs::write(&longer, fs::read_to_string(&text).unwrap() + " And a sentence more.").unwrap();
    for (corpus, seed) in [(&text, "training.seed=124"), (&longer, "training.seed=123")] {
        let mut other = without(&bench.train("shared"), &["--resume", "--corpus", text.to_str().unwrap()]);
        other.arg("--corpus").arg(corpus).args(["--set", seed, "--set", "training.epochs=1"]);
        let log = succeed(&mut other);
        assert!(!log.contains("going on after step"), "{log}");
        assert_eq!(bench.checkpoints("shared"), before);
    }
    // The second run is published, and the first goes on.
    let log = succeed(&mut bench.train("shared"));
    assert!(log.contains("going on after step"), "{log}");
    assert_eq!(visible_versions(&bench.path("shared")).unwrap().len(), 3);
    assert!(bench.checkpoints("shared").is_empty() && notes.iter().all(|path| path.exists()));
}

#[test]
fn a_run_is_not_started_over_unless_that_is_asked_for() {
    let bench = Workbench::new(EPOCHS);
    let newest = interrupt(&bench, "again");
    let anew = || without(&bench.train("again"), &["--resume"]);
    let message = error_message(&anew().output().unwrap()).unwrap();
    let step = newest
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .trim_start_matches("checkpoint-")
        .trim_start_matches('0');
    for part in [newest.to_str().unwrap(), &format!("to step {step} of"), "--resume", "--restart"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(newest.exists());
    let log = succeed(anew().arg("--restart"));
    assert!(!log.contains("going on after"), "{log}");
    Published::read(&bench.path("again")).assert_same(uninterrupted());
}

#[test]
fn a_run_is_known_by_what_it_trains_on_and_not_by_how_that_is_called() {
    let bench = Workbench::new(EPOCHS);
    interrupt(&bench, "renamed");
    let elsewhere = bench.path("another text.txt");
    fs::copy(e2e::trained::corpus(), &elsewhere).unwrap();
    let mut renamed = without(&bench.train("renamed"), &[e2e::trained::corpus().to_str().unwrap(), "run"]);
    // What is left of these options takes the new values.
    let arguments: Vec<_> = renamed.get_args().map(ToOwned::to_owned).collect();
    renamed = Command::new(renamed.get_program());
    for argument in arguments {
        renamed.arg(&argument);
        match argument.to_str() {
            Some("--corpus") => drop(renamed.arg(bench.path("./x/../another text.txt"))),
            Some("--name") => drop(renamed.arg("other-name")),
            _ => {}
        }
    }
    fs::create_dir(bench.path("x")).unwrap();
    let settings =
        ["training.checkpoint_every_steps=50", "sample.max_tokens=3", "training.final_evaluation_windows=1"];
    let settings = settings.iter().flat_map(|setting| ["--set", setting]);
    let log = succeed(renamed.args(settings).args(["--promote", "beta"]));
    assert!(log.contains("going on after step"), "{log}");
    let (version, _) = only_version(&bench.path("renamed")).unwrap();
    assert!(version.to_str().unwrap().contains("other-name"));
    assert!(fs::read(version.join("model.safetensors")).unwrap() == uninterrupted().weights);
}

#[test]
fn two_processes_do_not_train_the_same_run() {
    let bench = Workbench::new(EPOCHS);
    let child = Running(bench.train("locked").stderr(Stdio::null()).spawn().unwrap());
    eventually(|| bench.checkpoints("locked").pop().context("no checkpoint")).unwrap();
    let message = error_message(&bench.train("locked").output().unwrap()).unwrap();
    assert!(message.contains("another process is training this run"), "{message}");
    assert!(message.contains(bench.path("locked-checkpoints").to_str().unwrap()), "{message}");
    drop(child);
    bench.finish("locked").assert_same(uninterrupted());
}

#[test]
fn epochs_are_added_to_a_run_and_cannot_be_taken_from_what_is_done() {
    let bench = Workbench::new(LONG_EPOCHS);
    let with_epochs = |epochs: &str| {
        let mut command = bench.train("longer");
        command.args(["--set", epochs]);
        command
    };
    let child = Running(with_epochs("training.epochs=6").stderr(Stdio::null()).spawn().unwrap());
    eventually(|| {
        // More than an epoch, which has fewer than 25 steps.
        let newest = bench.checkpoints("longer").pop().context("no checkpoint")?;
        ensure!(newest.file_name() >= Some("checkpoint-00000026".as_ref()), "{newest:?}");
        Ok(())
    })
    .unwrap();
    drop(child);
    let message = error_message(&with_epochs("training.epochs=1").output().unwrap()).unwrap();
    assert!(message.contains("set training.epochs to") && message.contains("--restart"), "{message}");
    let log = succeed(&mut bench.train("longer"));
    assert!(log.contains("steps and has") && log.contains("the learning rate is constant"), "{log}");
    let (version, _) = only_version(&bench.path("longer")).unwrap();
    assert!(fs::read(version.join("model.safetensors")).unwrap() == long_uninterrupted().weights);
}

/// What the learning rate does with the steps that are added is said.
#[test]
fn steps_are_added_to_a_run() {
    let bench = Workbench::new(LONG_EPOCHS);
    for (store, fraction, effect) in [
        ("at-once", "training.decay_fraction=1", "follows the decay of the new number from here on"),
        ("late", "training.decay_fraction=0.1", "has not decayed yet"),
    ] {
        let limited = |steps: &str| {
            let mut command = bench.train(store);
            let decay = ["training.decay=linear", "training.final_learning_rate=1e-5", fraction, steps];
            command.args(decay.iter().flat_map(|setting| ["--set", setting]));
            command
        };
        let child = Running(limited("training.max_steps=400").stderr(Stdio::null()).spawn().unwrap());
        eventually(|| bench.checkpoints(store).pop().context("no checkpoint")).unwrap();
        drop(child);
        let log = succeed(&mut limited("training.max_steps=420"));
        assert!(log.contains("the run had 400 steps and has 420 now"), "{log}");
        assert!(log.contains(effect), "{log}");
    }
}

#[test]
fn a_published_run_is_complete() {
    let bench = Workbench::new(1);
    bench.finish("complete");
    let log = succeed(&mut bench.train("complete"));
    assert!(log.contains("this run is complete: it is published as run"), "{log}");
    let (version, _) = only_version(&bench.path("complete")).unwrap();
    let log = succeed(bench.train("complete").args(["--promote", "beta"]));
    assert!(log.contains("judging it for its channel"), "{log}");
    assert_eq!(only_version(&bench.path("complete")).unwrap().0, version);
    assert!(bench.path("complete/channels/beta.json").exists());
    // Asked for anew, it is trained again; made longer, it has nothing to go on from.
    succeed(&mut without(&bench.train("complete"), &["--resume"]));
    assert_eq!(visible_versions(&bench.path("complete")).unwrap().len(), 2);
    let log = succeed(bench.train("complete").args(["--set", "training.epochs=2"]));
    assert!(
        log.contains("its checkpoints are removed: starting anew")
            && log.contains("gpt finetune version:run/"),
        "{log}"
    );
    assert_eq!(visible_versions(&bench.path("complete")).unwrap().len(), 3);
}

#[test]
fn a_run_that_its_time_ends_is_published_with_its_steps_and_can_be_repeated() {
    let bench = Workbench::new(1000);
    let mut timed = bench.train("timed");
    timed.args(["--set", "training.max_seconds=2", "--set", "training.optimizer=muon"]);
    timed.args(["--set", "training.final_learning_rate=0", "--set", "training.decay_fraction=0.4"]);
    let log = succeed(&mut timed);
    assert!(
        log.contains("at the most, within 2 s") && log.contains("the time of 2 s is enough for"),
        "{log}"
    );
    let (version, manifest) = only_version(&bench.path("timed")).unwrap();
    let training = manifest.training.unwrap();
    assert_eq!(training.hyper_parameters["max_steps"], training.steps);
    assert!(training.peak_memory_bytes.unwrap() > 1 << 20);
    let preset = fs::read_to_string(version.join("preset.toml")).unwrap();
    assert!(preset.contains(&format!("max_steps = {}\n", training.steps)), "{preset}");
    assert!(!preset.contains("max_seconds"), "{preset}");

    fs::write(bench.path("run.toml"), preset).unwrap();
    bench.finish("repeated").assert_same(&Published::read(&bench.path("timed")));
}
