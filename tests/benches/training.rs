//! Training step of two models beside PyTorch's: the same batches, the same number of threads, in processes of their
//! own that take turns. In float32, and in bf16 where the device multiplies that faster.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail};
use artifact::GptConfig;
use burn::tensor::{Device, Int, Tensor};
use e2e::bench::{Machine, Summary, cores, paths, peak_rss_bytes, print_table, write_json};
use e2e::measure::{self, Clock, in_process, load_corpus};
use e2e::{process, trained};
use gpt::corpus::dataset;
use gpt::device::{DeviceChoice, is_gpu, prefers_bf16};
use gpt::preset::Precision;
use gpt::train::{Checkpoints, Run, new_model};
use gpt::{Dataset, Preset, device, environment};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What is trained.
const WORKLOADS: [Workload; 2] = [
    Workload { name: "the-verdict", preset: "the-verdict", settings: &[] },
    // Its head, its loss and the gradient of its embedding are nearly all of the work.
    Workload {
        name: "small and tied",
        preset: "the-verdict",
        settings: &[
            "model.n_layers=4",
            "model.d_model=128",
            "model.d_ff=512",
            "model.n_heads=4",
            "model.context_length=64",
            "model.tied_output_head=true",
            "training.initialization=gpt2",
            "training.batch_size=12",
            "training.stride=16",
        ],
    },
];
/// How often each of them is started.
const ROUNDS: usize = 3;
/// The first steps of each round: they allocate what later ones find, the optimizer's state above all.
const WARM_UP_STEPS: usize = 2;
/// Windows of a batch, and steps, on a GPU: two windows leave it idle.
const BATCH_ON_GPU: usize = 64;
const STEPS_ON_GPU: usize = 20;

/// A model and how it is trained: a preset, with some of its fields set to other values.
#[derive(Clone, Copy, Debug)]
struct Workload {
    name: &'static str,
    preset: &'static str,
    settings: &'static [&'static str],
}

/// Who trains, and in what.
#[derive(Clone, Copy, Debug)]
struct Contender {
    name: &'static str,
    is_ours: bool,
    bf16: bool,
    /// PyTorch's attention in one function, and the whole model compiled.
    fused_attention: bool,
    compile: bool,
}

const FLOAT32: Contender =
    Contender { name: "gpt train", is_ours: true, bf16: false, fused_attention: false, compile: false };
const CONTENDERS: [Contender; 6] = [
    FLOAT32,
    Contender { name: "PyTorch", is_ours: false, ..FLOAT32 },
    Contender { name: "PyTorch, fused attention", is_ours: false, fused_attention: true, ..FLOAT32 },
    Contender { name: "gpt train, bf16", bf16: true, ..FLOAT32 },
    Contender {
        name: "PyTorch, bf16 autocast, fused attention",
        is_ours: false,
        bf16: true,
        fused_attention: true,
        ..FLOAT32
    },
    Contender {
        name: "PyTorch, the same compiled",
        is_ours: false,
        bf16: true,
        fused_attention: true,
        compile: true,
    },
];

/// What one process has measured.
#[derive(Debug, Serialize, Deserialize)]
struct Measurement {
    version: String,
    /// Of each step.
    seconds: Vec<f64>,
    /// Of each step's batch, before the step.
    losses: Vec<f64>,
    /// Of the processor; of a GPU it is not known here.
    peak_bytes: Option<u64>,
}

impl Measurement {
    fn after_warm_up(&self) -> &[f64] {
        &self.seconds[WARM_UP_STEPS.min(self.seconds.len())..]
    }
}

fn main() -> Result<()> {
    environment::set_up()?;
    if let Some(task) = measure::task() {
        println!("{}", serde_json::to_string(&train_here(&task)?)?);
        return Ok(());
    }
    let mut options = paths(&["--json", "--device"])?;
    let choice =
        options.remove("--device").map_or_else(|| "cpu".to_owned(), |name| name.display().to_string());
    let device = choice.parse::<DeviceChoice>()?.open()?;
    let machine = Machine::here()?;
    let contenders = contenders(&device);
    println!("{}", machine.describe());
    let mut results = Vec::new();
    for workload in &WORKLOADS {
        let folder = tempfile::tempdir()?;
        let mut rounds: Vec<Vec<Measurement>> = contenders.iter().map(|_| Vec::new()).collect();
        for round in 1..=ROUNDS {
            for (contender, measured) in contenders.iter().zip(&mut rounds) {
                eprintln!("bench: {}, round {round} of {ROUNDS}, {}", workload.name, contender.name);
                measured.push(contender.measure(workload, &choice, &device, folder.path())?);
            }
        }
        results.push(report(workload, &device, &contenders, &rounds)?);
    }
    if !prefers_bf16(&device) {
        println!("not measured: bf16, which this device multiplies no faster than float32");
    }
    write_json(options.remove("--json"), "training", &machine, json!(results))
}

/// Those whose numbers the device multiplies faster than float32, and those that are compiled for it.
fn contenders(device: &Device) -> Vec<Contender> {
    let (bf16, gpu) = (prefers_bf16(device), is_gpu(device));
    let all = CONTENDERS.into_iter();
    all.filter(|contender| (bf16 || !contender.bf16) && (gpu || !contender.compile)).collect()
}

impl Contender {
    fn measure(
        &self,
        workload: &Workload,
        choice: &str,
        device: &Device,
        folder: &Path,
    ) -> Result<Measurement> {
        if self.is_ours {
            return Ok(in_process(&[workload.name, if self.bf16 { "bf16" } else { "float32" }, choice])?.0);
        }
        let run = folder.join("run.json");
        std::fs::write(&run, self.describe_run(workload, device, folder)?.to_string())?;
        let output = process::python("bench_pytorch.py", &[&run])?;
        serde_json::from_str(&output).with_context(|| output)
    }
}

/// Prints and returns what was found: medians over the steps of all rounds, without their warm-up.
fn report(
    workload: &Workload,
    device: &Device,
    contenders: &[Contender],
    rounds: &[Vec<Measurement>],
) -> Result<serde_json::Value> {
    let Preset { model, training, .. } = workload.preset(device)?;
    let tokens = training.batch_size * model.context_length;
    let steps = rounds[0].iter().map(|round| round.seconds.len()).max().unwrap_or(0);
    println!(
        "{} on {}: {} parameters, {} x {} tokens a step, dropout {}; {} threads; {ROUNDS} rounds of {steps} steps \
         each in turn, the first {WARM_UP_STEPS} of each left out\n",
        workload.name,
        device::describe(device),
        model.num_parameters(),
        training.batch_size,
        model.context_length,
        model.dropout,
        cores(),
    );
    let (mut rows, mut measured) = (Vec::new(), Vec::new());
    let median = |round: &Measurement| Summary::of(round.after_warm_up()).map(|summary| summary.median);
    for (contender, rounds) in contenders.iter().zip(rounds) {
        let seconds: Vec<f64> = rounds.iter().flat_map(Measurement::after_warm_up).copied().collect();
        let summary @ Summary { median: of_all, quartiles, range } = Summary::of(&seconds)?;
        let peak = rounds.iter().filter_map(|round| round.peak_bytes).max();
        rows.push(vec![
            format!("{} ({})", contender.name, rounds[0].version),
            format!("{of_all:.3}"),
            format!("{:.3}–{:.3}", quartiles.0, quartiles.1),
            format!("{:.3}–{:.3}", range.0, range.1),
            format!("{:.0}", tokens as f64 / of_all),
            peak.map_or("unknown".to_owned(), |peak| format!("{:.2}", peak as f64 / 1e9)),
        ]);
        let by_round = rounds.iter().map(median).collect::<Result<Vec<f64>>>()?;
        measured.push(json!({"name": contender.name, "step_seconds": summary, "median_by_round": by_round,
            "peak_bytes": peak, "rounds": rounds}));
    }
    print_table(&["", "s/step", "quartiles", "range", "tokens/s", "peak memory GB"], &rows);
    println!();
    let by_contender = |name: &str| contenders.iter().position(|contender| contender.name == name);
    for (ours, others) in [
        ("gpt train", &["PyTorch", "PyTorch, fused attention"][..]),
        (
            "gpt train, bf16",
            &[
                "PyTorch, fused attention",
                "PyTorch, bf16 autocast, fused attention",
                "PyTorch, the same compiled",
            ],
        ),
    ] {
        for other in others {
            let (Some(ours_at), Some(other_at)) = (by_contender(ours), by_contender(other)) else { continue };
            let by_round = rounds[ours_at].iter().zip(&rounds[other_at]);
            let ratios = by_round.map(|(ours, other)| Ok(format!("{:.3}", median(ours)? / median(other)?)));
            println!(
                "time of {ours} / {other}, by round: {}",
                ratios.collect::<Result<Vec<_>>>()?.join(", ")
            );
        }
    }
    println!();
    Ok(json!({"model": workload.name, "device": device::describe(device), "threads": cores(),
        "tokens_per_step": tokens, "warm_up_steps": WARM_UP_STEPS, "measured": measured}))
}

impl Workload {
    fn named(name: &str) -> Result<&'static Self> {
        WORKLOADS
            .iter()
            .find(|workload| workload.name == name)
            .with_context(|| format!("there is no workload {name}"))
    }

    /// One epoch of it; on a GPU some steps of larger batches, whose windows overlap.
    fn preset(&self, device: &Device) -> Result<Preset> {
        let settings = self.settings.iter().map(|setting| setting.parse()).collect::<Result<Vec<_>, _>>()?;
        let mut preset = Preset::named(self.preset, &settings)?;
        preset.training.epochs = 1;
        preset.training.evaluate_every_steps = usize::MAX;
        if is_gpu(device) {
            preset.training.batch_size = BATCH_ON_GPU;
            preset.training.stride = Some(3);
            preset.training.max_steps = Some(STEPS_ON_GPU);
        }
        Ok(preset)
    }
}

fn datasets(preset: &Preset, cache: &Path) -> Result<(Dataset, Dataset)> {
    let corpus = load_corpus(&trained::corpus(), preset.training.train_fraction, cache)?;
    Ok(dataset::split(&corpus, preset.model.context_length, preset.stride(), preset.training.batch_size)?)
}

impl Contender {
    /// What PyTorch is to do: the steps that [`train_here`] makes.
    fn describe_run(&self, workload: &Workload, device: &Device, cache: &Path) -> Result<serde_json::Value> {
        let preset = workload.preset(device)?;
        let Preset { model: config, training, .. } = &preset;
        let (train_set, _) = datasets(&preset, cache)?;
        let rows = |ids: Tensor<2, Int>| -> Vec<Vec<i64>> {
            let [_, seq] = ids.dims();
            ids.into_data().iter().collect::<Vec<i64>>().chunks(seq).map(<[i64]>::to_vec).collect()
        };
        let steps = training.max_steps.unwrap_or(usize::MAX);
        let windows = train_set.shuffled(training.batch_size, training.seed, 1).take(steps);
        let batches = windows.map(|windows| {
            let batch = train_set.batch(&windows, &device::cpu());
            (rows(batch.inputs), rows(batch.targets))
        });
        let GptConfig {
            vocab_size,
            context_length,
            d_model,
            n_heads,
            n_layers,
            dropout,
            qkv_bias,
            tied_output_head,
            ..
        } = *config;
        Ok(json!({
            "config": {
                "vocab_size": vocab_size, "context_length": context_length, "emb_dim": d_model,
                "n_heads": n_heads, "n_layers": n_layers, "drop_rate": dropout, "qkv_bias": qkv_bias,
                "tied_output_head": tied_output_head, "fused_attention": self.fused_attention,
            },
            "bf16": self.bf16,
            "compile": self.compile,
            "device": if is_gpu(device) { "cuda" } else { "cpu" },
            "learning_rate": training.learning_rate,
            "weight_decay": training.weight_decay,
            "seed": training.seed,
            "threads": cores(),
            "batches": batches.collect::<Vec<_>>(),
        }))
    }
}

/// Trains one epoch by the loop of `gpt train`, in a precision and on a device.
fn train_here(task: &[String]) -> Result<Measurement> {
    let [workload, precision, device] = task else {
        bail!("expected a workload, a precision and a device, found {task:?}")
    };
    let device = device.parse::<DeviceChoice>()?.open()?.autodiff();
    let mut preset = Workload::named(workload)?.preset(&device)?;
    if precision == "bf16" {
        preset.training.precision = Precision::Bf16;
    }
    let folder = tempfile::tempdir()?;
    let (train_set, validation_set) = datasets(&preset, folder.path())?;
    let stop = AtomicBool::new(false);
    let run = Run {
        train_set: &train_set,
        validation_set: &validation_set,
        settings: &preset.training,
        device: &device,
        samples: None,
        workers: None,
        records: None,
        checkpoints: &Checkpoints::new(folder.path(), serde_json::Value::Null),
        mirror: None,
        resume: false,
        stop: &stop,
    };
    let mut clock = Clock::new(usize::MAX, &stop);
    run.train(new_model(&preset, &device).with_arithmetic(preset.training.arithmetic()), &mut clock)?;
    let Clock { seconds, losses, .. } = clock;
    Ok(Measurement {
        version: device::describe(&device),
        seconds,
        losses,
        peak_bytes: if is_gpu(&device) { None } else { Some(peak_rss_bytes()?) },
    })
}
