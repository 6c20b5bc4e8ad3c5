//! Training step of the 162M model beside PyTorch's: the same batches, the same number of threads, in processes
//! of their own that take turns.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use artifact::GptConfig;
use burn::tensor::{Int, Tensor};
use e2e::bench::{Machine, Summary, cores, json_file, peak_rss_bytes, print_table, write_json};
use e2e::measure::{self, Clock, in_process, load_corpus};
use e2e::{process, trained};
use gpt::corpus::dataset;
use gpt::train::{Checkpoints, Run, new_model};
use gpt::{Dataset, Preset, device, environment};
use serde::{Deserialize, Serialize};
use serde_json::json;

const PRESET: &str = "the-verdict";
/// How often each of the two is started.
const ROUNDS: usize = 3;
/// The first steps of each round: they allocate what later ones find, the optimizer's state above all.
const WARM_UP_STEPS: usize = 2;

/// What one process has measured.
#[derive(Debug, Serialize, Deserialize)]
struct Measurement {
    version: String,
    /// Of each step.
    seconds: Vec<f64>,
    /// Of each step's batch, before the step.
    losses: Vec<f64>,
    peak_rss_bytes: u64,
}

impl Measurement {
    fn after_warm_up(&self) -> &[f64] {
        &self.seconds[WARM_UP_STEPS.min(self.seconds.len())..]
    }
}

fn main() -> Result<()> {
    environment::set_up()?;
    if measure::task().is_some() {
        println!("{}", serde_json::to_string(&train_here()?)?);
        return Ok(());
    }
    let json_file = json_file()?;
    let machine = Machine::here()?;
    let folder = tempfile::tempdir()?;
    let pytorchs_run = folder.path().join("run.json");
    std::fs::write(&pytorchs_run, describe_run(folder.path())?.to_string())?;

    let (mut ours, mut pytorchs) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        eprintln!("bench: round {round} of {ROUNDS}, gpt");
        ours.push(in_process(&[])?.0);
        eprintln!("bench: round {round} of {ROUNDS}, PyTorch");
        let output = process::python("bench_pytorch.py", &[&pytorchs_run])?;
        pytorchs.push(serde_json::from_str(&output).with_context(|| output)?);
    }
    report(&machine, json_file, &ours, &pytorchs)
}

/// Prints and writes what was found: medians over the steps of all rounds, without their warm-up.
fn report(
    machine: &Machine,
    json_file: Option<PathBuf>,
    ours: &[Measurement],
    pytorchs: &[Measurement],
) -> Result<()> {
    let Preset { model, training, .. } = preset()?;
    let tokens = training.batch_size * model.context_length;
    let steps = ours.iter().map(|round| round.seconds.len()).max().unwrap_or(0);
    println!("{}", machine.describe());
    println!(
        "{PRESET}: {} parameters, {} x {} tokens a step, dropout {}; {} threads; {ROUNDS} rounds of {steps} steps \
         each in turn, the first {WARM_UP_STEPS} of each left out\n",
        model.num_parameters(),
        training.batch_size,
        model.context_length,
        model.dropout,
        cores(),
    );
    let (mut rows, mut measured, mut medians) = (Vec::new(), Vec::new(), Vec::new());
    for (name, rounds) in [("gpt train", ours), ("PyTorch", pytorchs)] {
        let seconds: Vec<f64> = rounds.iter().flat_map(Measurement::after_warm_up).copied().collect();
        let summary @ Summary { median, quartiles, range } = Summary::of(&seconds)?;
        let peak = rounds.iter().map(|round| round.peak_rss_bytes).max().unwrap_or(0);
        let version = &rounds[0].version;
        rows.push(vec![
            format!("{name} ({version})"),
            format!("{median:.2}"),
            format!("{:.2}–{:.2}", quartiles.0, quartiles.1),
            format!("{:.2}–{:.2}", range.0, range.1),
            format!("{:.0}", tokens as f64 / median),
            format!("{:.2}", peak as f64 / 1e9),
        ]);
        medians.push(median);
        measured
            .push(json!({"name": name, "step_seconds": summary, "peak_rss_bytes": peak, "rounds": rounds}));
    }
    print_table(&["", "s/step", "quartiles", "range", "tokens/s", "peak memory GB"], &rows);

    let median = |round: &Measurement| Summary::of(round.after_warm_up()).map(|summary| summary.median);
    let by_round = ours.iter().zip(pytorchs).map(|(ours, pytorchs)| Ok(median(ours)? / median(pytorchs)?));
    let by_round = by_round.collect::<Result<Vec<f64>>>()?;
    let listed: Vec<String> = by_round.iter().map(|ratio| format!("{ratio:.3}")).collect();
    let ratio = medians[0] / medians[1];
    println!("\nmedian of gpt train / median of PyTorch: {ratio:.3}; by round: {}", listed.join(", "));
    let results = json!({"preset": PRESET, "threads": cores(), "warm_up_steps": WARM_UP_STEPS,
        "measured": measured, "ratio": ratio, "ratio_by_round": by_round});
    write_json(json_file, "training", machine, results)
}

/// One epoch of the preset.
fn preset() -> Result<Preset> {
    let mut preset = Preset::named(PRESET, &[])?;
    preset.training.epochs = 1;
    preset.training.evaluate_every_steps = usize::MAX;
    Ok(preset)
}

fn datasets(preset: &Preset, cache: &Path) -> Result<(Dataset, Dataset)> {
    let corpus = load_corpus(&trained::corpus(), preset.training.train_fraction, cache)?;
    Ok(dataset::split(&corpus, preset.model.context_length, preset.stride(), preset.training.batch_size)?)
}

/// What PyTorch is to do: the steps that [`train_here`] makes.
fn describe_run(cache: &Path) -> Result<serde_json::Value> {
    let Preset { model: config, training, .. } = &preset()?;
    let (train_set, _) = datasets(&preset()?, cache)?;
    let rows = |ids: Tensor<2, Int>| -> Vec<Vec<i64>> {
        let [_, seq] = ids.dims();
        ids.into_data().iter().collect::<Vec<i64>>().chunks(seq).map(<[i64]>::to_vec).collect()
    };
    let batches = train_set.shuffled(training.batch_size, training.seed, 1).map(|windows| {
        let batch = train_set.batch(&windows, &device::cpu());
        (rows(batch.inputs), rows(batch.targets))
    });
    let GptConfig { vocab_size, context_length, d_model, n_heads, n_layers, dropout, qkv_bias, .. } = *config;
    Ok(json!({
        "config": {
            "vocab_size": vocab_size, "context_length": context_length, "emb_dim": d_model,
            "n_heads": n_heads, "n_layers": n_layers, "drop_rate": dropout, "qkv_bias": qkv_bias,
        },
        "learning_rate": training.learning_rate,
        "weight_decay": training.weight_decay,
        "seed": training.seed,
        "threads": cores(),
        "batches": batches.collect::<Vec<_>>(),
    }))
}

/// Trains one epoch by the loop of `gpt train`.
fn train_here() -> Result<Measurement> {
    let preset = preset()?;
    let folder = tempfile::tempdir()?;
    let (train_set, validation_set) = datasets(&preset, folder.path())?;
    let device = device::cpu().autodiff();
    let stop = AtomicBool::new(false);
    let run = Run {
        train_set: &train_set,
        validation_set: &validation_set,
        settings: &preset.training,
        device: &device,
        samples: None,
        records: None,
        checkpoints: &Checkpoints::new(folder.path(), serde_json::Value::Null),
        mirror: None,
        resume: false,
        stop: &stop,
    };
    let mut clock = Clock::new(usize::MAX, &stop);
    run.train(new_model(&preset, &device), &mut clock)?;
    let Clock { seconds, losses, .. } = clock;
    Ok(Measurement {
        version: device::describe(&device::cpu()),
        seconds,
        losses,
        peak_rss_bytes: peak_rss_bytes()?,
    })
}
