//! Large corpora, of 100 MB and 1 GB, as plain text, gzip and Parquet: speed of tokenizing, and memory of tokenizing and
//! training, which must not depend on their size.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use e2e::bench::{Machine, Summary, cores, json_file, peak_rss_bytes, print_table, write_json};
use e2e::measure::{self, Clock, in_process, load_corpus};
use e2e::process::root;
use gpt::corpus::dataset;
use gpt::train::{Checkpoints, Run, TrainError, new_model};
use gpt::{Preset, device, environment};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde::{Deserialize, Serialize};
use serde_json::json;

const PRESET: &str = "tiny";
/// Sizes of the texts in bytes.
const SIZES: [u64; 2] = [100_000_000, 1_000_000_000];
/// Each as plain text, and so that it has to be unpacked.
const KINDS: [Kind; 3] = [Kind::Text, Kind::Gzip, Kind::Parquet];
/// Training steps on each.
const STEPS: usize = 64;
/// Words of a paragraph.
const PARAGRAPH: usize = 100;
/// Paragraphs of a document, where a file has records.
const DOCUMENT: usize = 4;
/// Documents of a row group.
const ROW_GROUP: usize = 10_000;
/// Bytes on disk for each byte of text: itself and its ids, which take less.
const DISK: u64 = 2;

/// How a text is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Gzip,
    Parquet,
}

impl Kind {
    fn file_name(self) -> &'static str {
        match self {
            Self::Text => "text.txt",
            Self::Gzip => "text.txt.gz",
            Self::Parquet => "text.parquet",
        }
    }
}

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
    for (bytes, kind) in SIZES.into_iter().flat_map(|bytes| KINDS.map(|kind| (bytes, kind))) {
        eprintln!("bench: a text of {} MB, {}", bytes / 1_000_000, kind.file_name());
        let folder = tempfile::tempdir_in(folder.path())?;
        let text = folder.path().join(kind.file_name());
        write_text(&text, kind, bytes)?;
        let measure = |what| -> Result<Measurement> {
            eprintln!("bench: {what}");
            let (mut measurement, anonymous): (Measurement, u64) =
                in_process(&[what, &text.to_string_lossy()])?;
            measurement.peak_anonymous_bytes = anonymous;
            Ok(measurement)
        };
        let (tokenise, train) = (measure("tokenise")?, measure("train")?);
        rows.push(row(bytes, kind, &tokenise, &train)?);
        let file = kind.file_name();
        measured.push(json!({"text_bytes": bytes, "file": file, "tokenise": tokenise, "train": train}));
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

fn row(bytes: u64, kind: Kind, tokenise: &Measurement, train: &Measurement) -> Result<Vec<String>> {
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let memory = |process: &Measurement| {
        format!("{:.0} ({:.0})", mb(process.peak_anonymous_bytes), mb(process.peak_rss_bytes))
    };
    Ok(vec![
        format!("{:.0} MB, {}", mb(bytes), kind.file_name()),
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
            workers: None,
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

/// Writes at least `bytes` of paragraphs: in Parquet, a few in each row.
fn write_text(path: &Path, kind: Kind, bytes: u64) -> Result<()> {
    let story: PathBuf = root().join("training/corpus/the-north-light.txt");
    let story = std::fs::read_to_string(&story).with_context(|| story.display().to_string())?;
    let words: Vec<&str> = story.split_whitespace().collect();
    let file = BufWriter::new(File::create(path)?);
    match kind {
        Kind::Text => write_paragraphs(file, &words, bytes)?.flush()?,
        Kind::Gzip => {
            let file = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            write_paragraphs(file, &words, bytes)?.finish()?.flush()?;
        }
        Kind::Parquet => write_rows(file, &words, bytes)?,
    }
    Ok(())
}

fn write_paragraphs<W: Write>(mut file: W, words: &[&str], bytes: u64) -> Result<W> {
    let mut written = 0;
    for paragraph in paragraphs(words) {
        if written >= bytes {
            break;
        }
        file.write_all(paragraph.as_bytes())?;
        written += paragraph.len() as u64;
    }
    Ok(file)
}

fn write_rows(file: BufWriter<File>, words: &[&str], bytes: u64) -> Result<()> {
    let schema = Arc::new(parse_message_type("message schema { required binary text (UTF8); }")?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    let properties = Arc::new(properties.set_dictionary_enabled(false).build());
    let mut writer = SerializedFileWriter::new(file, schema, properties)?;
    let (mut paragraphs, mut written) = (paragraphs(words), 0);
    while written < bytes {
        let document = |_| paragraphs.by_ref().take(DOCUMENT).collect::<String>();
        let documents: Vec<String> = (0..ROW_GROUP).map(document).collect();
        written += documents.iter().map(|document| document.len() as u64).sum::<u64>();
        let values: Vec<ByteArray> = documents.iter().map(|text| ByteArray::from(text.as_str())).collect();
        let mut row_group = writer.next_row_group()?;
        let mut column = row_group.next_column()?.context("the schema has a column")?;
        column.typed::<ByteArrayType>().write_batch(&values, None, None)?;
        column.close()?;
        row_group.close()?;
    }
    writer.close()?;
    Ok(())
}

/// Paragraphs without end: words of the project's story, the same each time.
fn paragraphs<'a>(words: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    let mut state = 0u64;
    std::iter::repeat_with(move || {
        let mut paragraph = String::new();
        for _ in 0..PARAGRAPH {
            // Knuth's generator; its high bits are good.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            paragraph.push_str(words[(state >> 33) as usize % words.len()]);
            paragraph.push(' ');
        }
        paragraph.truncate(paragraph.trim_end().len());
        paragraph.push_str("\n\n");
        paragraph
    })
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
