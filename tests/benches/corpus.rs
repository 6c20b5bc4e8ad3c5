//! Large corpora, of 100 MB and 1 GB: speed of tokenizing, and memory of tokenizing and training, which must not
//! depend on their size.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use e2e::bench::{Machine, Summary, cores, json_file, peak_rss_bytes, print_table, write_json};
use e2e::measure::{self, Clock, in_process, load_corpus};
use e2e::process::root;
use gpt::corpus::dataset;
use gpt::train::{Checkpoints, Run, TrainError, new_model};
use gpt::{Preset, device, environment};
use serde::{Deserialize, Serialize};
use serde_json::json;

const PRESET: &str = "tiny";
/// Sizes of the texts in bytes.
const SIZES: [u64; 2] = [100_000_000, 1_000_000_000];
/// Training steps on each.
const STEPS: usize = 64;
/// Words of a paragraph.
const PARAGRAPH: usize = 100;
/// Bytes on disk for each byte of text: itself and its ids, which take less.
const DISK: u64 = 2;

/// What one process has measured.
#[derive(Debug, Serialize, Deserialize)]
struct Measurement {
    tokens: u64,
    /// From the text or the cache to ids that can be read.
    load_seconds: f64,
    /// Of each training step; none if it did not train.
    step_seconds: Vec<f64>,
    /// Resident memory, pages of files that it maps included.
    peak_rss_bytes: u64,
    /// Without them. The process that started this one fills it in.
    #[serde(default)]
    peak_anonymous_bytes: u64,
}

fn main() -> Result<()> {
    environment::set_up()?;
    if let Some(task) = measure::task() {
        let [what, text] = &task[..] else { bail!("unknown task {task:?}") };
        println!("{}", serde_json::to_string(&measure_here(what, Path::new(text))?)?);
        return Ok(());
    }
    let json_file = json_file()?;
    let machine = Machine::here()?;
    let folder = tempfile::tempdir()?;
    check_space(folder.path(), SIZES.iter().max().unwrap_or(&0) * DISK)?;
    println!("{}", machine.describe());
    println!("words of a story in random order, {} cores; {STEPS} steps of the preset {PRESET}\n", cores());

    let (mut rows, mut measured) = (Vec::new(), Vec::new());
    for bytes in SIZES {
        eprintln!("bench: a text of {} MB", bytes / 1_000_000);
        let folder = tempfile::tempdir_in(folder.path())?;
        let text = folder.path().join("text.txt");
        write_text(&text, bytes)?;
        let measure = |what| -> Result<Measurement> {
            eprintln!("bench: {what}");
            let (mut measurement, anonymous): (Measurement, u64) =
                in_process(&[what, &text.to_string_lossy()])?;
            measurement.peak_anonymous_bytes = anonymous;
            Ok(measurement)
        };
        let (tokenise, train) = (measure("tokenise")?, measure("train")?);
        rows.push(row(bytes, &tokenise, &train)?);
        measured.push(json!({"text_bytes": bytes, "tokenise": tokenise, "train": train}));
    }
    print_table(
        &["text", "million tokens", "tokenising MB/s", "its memory MB", "training ms/step", "its memory MB"],
        &rows,
    );
    println!("\nmemory: the peak of a process's own; in brackets, with the pages of files that it maps");
    write_json(
        json_file,
        "corpus",
        &machine,
        json!({"preset": PRESET, "threads": cores(), "measured": measured}),
    )
}

fn row(bytes: u64, tokenise: &Measurement, train: &Measurement) -> Result<Vec<String>> {
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let memory = |process: &Measurement| {
        format!("{:.0} ({:.0})", mb(process.peak_anonymous_bytes), mb(process.peak_rss_bytes))
    };
    Ok(vec![
        format!("{:.0} MB", mb(bytes)),
        format!("{:.1}", mb(tokenise.tokens)),
        format!("{:.1}", mb(bytes) / tokenise.load_seconds),
        memory(tokenise),
        format!("{:.1}", 1e3 * Summary::of(&train.step_seconds)?.median),
        memory(train),
    ])
}

/// Encodes a text, or trains on the ids that an earlier process left beside it.
fn measure_here(what: &str, text: &Path) -> Result<Measurement> {
    let preset = Preset::named(PRESET, &[])?;
    let training = &preset.training;
    let cache = text.with_extension("ids");
    ensure!(cache.exists() == (what == "train"), "{what}: there must be ids to train, and none to tokenise");
    let start = Instant::now();
    let corpus = load_corpus(text, training.train_fraction, &cache)?;
    let load_seconds = start.elapsed().as_secs_f64();
    let mut step_seconds = Vec::new();
    if what == "train" {
        let (train_set, validation_set) =
            dataset::split(&corpus, preset.model.context_length, preset.stride(), training.batch_size)?;
        let (device, stop) = (device::cpu().autodiff(), AtomicBool::new(false));
        let run = Run {
            train_set: &train_set,
            validation_set: &validation_set,
            settings: training,
            device: &device,
            samples: None,
            records: None,
            checkpoints: &Checkpoints::new(text.with_extension("checkpoints"), serde_json::Value::Null),
            mirror: None,
            resume: false,
            stop: &stop,
        };
        let mut clock = Clock::new(STEPS, &stop);
        match run.train(new_model(&preset, &device), &mut clock) {
            Err(TrainError::Stopped { .. }) => step_seconds = clock.seconds,
            Err(error) => return Err(error.into()),
            Ok(_) => bail!("the text is too short for {STEPS} steps"),
        }
    }
    let peak_rss_bytes = peak_rss_bytes()?;
    Ok(Measurement {
        tokens: corpus.tokens(),
        load_seconds,
        step_seconds,
        peak_rss_bytes,
        peak_anonymous_bytes: 0,
    })
}

/// Writes at least `bytes` of paragraphs: words of the project's story, the same each time.
fn write_text(path: &Path, bytes: u64) -> Result<()> {
    let story: PathBuf = root().join("training/corpus/the-north-light.txt");
    let story = std::fs::read_to_string(&story).with_context(|| story.display().to_string())?;
    let words: Vec<&str> = story.split_whitespace().collect();
    let mut file = BufWriter::new(File::create(path)?);
    let (mut written, mut state) = (0, 0u64);
    while written < bytes {
        let mut paragraph = String::new();
        for _ in 0..PARAGRAPH {
            // Knuth's generator; its high bits are good.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            paragraph.push_str(words[(state >> 33) as usize % words.len()]);
            paragraph.push(' ');
        }
        paragraph.truncate(paragraph.trim_end().len());
        paragraph.push_str("\n\n");
        file.write_all(paragraph.as_bytes())?;
        written += paragraph.len() as u64;
    }
    Ok(file.flush()?)
}

/// Refuses to fill a disk.
fn check_space(folder: &Path, needed: u64) -> Result<()> {
    let output = Command::new("df").args(["--output=avail", "--block-size=1"]).arg(folder).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let free: u64 = text.lines().last().and_then(|line| line.trim().parse().ok()).context("df")?;
    ensure!(
        free >= needed,
        "{} has {free} bytes free, {needed} are needed; set TMPDIR to another folder",
        folder.display()
    );
    Ok(())
}
