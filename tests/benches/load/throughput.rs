//! Throughput: tokens per second of 1 to 32 texts at once beside llama.cpp's, and how long each of them waits.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use artifact::draft::{self, DraftIndex};
use artifact::manifest::Precision;
use artifact::{Manifest, Sampling, Tokenizer};
use e2e::bench::{Peer, Summary, cores, print_table, python};
use engine::{CorpusDrafter, Engine, Generation, GenerationOptions, OnnxModel};
use serde_json::{Value, json};

/// Texts at once.
const TEXTS: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// Ids of a prompt, and tokens of a text.
const PROMPT: usize = 8;
const TOKENS: usize = 100;
/// Each number of texts is measured so often, in turns; the median counts.
const ROUNDS: usize = 3;

/// Precisions, and what llama.cpp calls them.
const PRECISIONS: [(Precision, &str); 2] = [(Precision::W4, "q4_0"), (Precision::W8, "q8_0")];
/// Measures the version in the folder `model`, whose prompts are parts of `text`, beside llama.cpp and `peers` with its
/// weights.
pub fn measure(model: &Path, text: &Path, peers: &[Peer]) -> Result<Value> {
    let manifest = Manifest::from_json(&std::fs::read(model.join("manifest.json"))?)?;
    let ids = Tokenizer::gpt2()?.encode(&std::fs::read_to_string(text)?);
    let prompts: Vec<&[u32]> = ids.chunks_exact(PROMPT).collect();
    let folder = tempfile::tempdir()?;
    let run_file = folder.path().join("run.json");
    let converted = folder.path().join("converted");
    let weights = std::path::absolute(model.join("model.safetensors"))?;
    std::fs::write(
        &run_file,
        json!({"weights": weights, "config": manifest.config, "converted": converted}).to_string(),
    )?;
    eprintln!("bench: converting {}", model.display());
    let status = python("peers.convert")?.arg(&run_file).status()?;
    ensure!(status.success(), "converting the weights: {status}");

    let mut results = Vec::new();
    let mut rows = Vec::new();
    for (precision, theirs) in PRECISIONS {
        let engines = [false, true].map(|drafts| load(model, &manifest, precision, drafts));
        let engines = engines.into_iter().collect::<Result<Vec<_>>>()?;
        for engine in &engines {
            run(engine, &prompts, 2, 0)?; // warm-up
        }
        let others = [("llama.cpp", None)].into_iter();
        let others = others.chain(peers.iter().map(|peer| (&*peer.name, Some(&*peer.programs))));
        let mut ways = vec![Way::new(precision.to_string()), Way::new(format!("{precision}, drafting"))];
        ways.extend(others.clone().map(|(name, _)| Way::new(format!("{name} {theirs}"))));
        for round in 0..ROUNDS {
            eprintln!("bench: round {} of {ROUNDS}, {precision}", round + 1);
            let (ours, of_others) = ways.split_at_mut(engines.len());
            for (way, engine) in ours.iter_mut().zip(&engines) {
                for (samples, texts) in way.samples.iter_mut().zip(TEXTS) {
                    samples.push(run(engine, &prompts, texts, round)?);
                }
            }
            for (way, (_, programs)) in of_others.iter_mut().zip(others.clone()) {
                let speeds = llama_cpp(programs, theirs, &run_file)?;
                for (samples, texts) in way.samples.iter_mut().zip(TEXTS) {
                    let tokens_per_second = *speeds.get(&texts).with_context(|| format!("{texts} texts"))?;
                    samples.push(Sample { tokens_per_second, waits: None });
                }
            }
        }
        for (index, texts) in TEXTS.into_iter().enumerate() {
            let of_round = |way: &Way| -> Vec<f64> {
                way.samples[index].iter().map(|sample| sample.tokens_per_second).collect()
            };
            for way in &ways {
                let Sample { tokens_per_second, waits } = median(&way.samples[index])?;
                let waits = waits.map(|waits| waits.map(|[p50, p99]| format!("{p50:.0} / {p99:.0}")));
                let [first, all] = waits.unwrap_or_default();
                let alone = median(&way.samples[0])?.tokens_per_second;
                let ratios =
                    of_round(&ways[0]).into_iter().zip(of_round(way)).map(|(our, their)| our / their);
                let Summary { median, range, .. } = Summary::of(&ratios.collect::<Vec<_>>())?;
                rows.push(vec![
                    way.name.clone(),
                    texts.to_string(),
                    format!("{tokens_per_second:.0}"),
                    format!("{:.2}", tokens_per_second / alone),
                    format!("{median:.2} ({:.2}–{:.2})", range.0, range.1),
                    first,
                    all,
                ]);
                results.push(json!({"name": way.name, "texts": texts, "rounds": of_round(way)}));
            }
        }
    }
    println!("{TOKENS} tokens after {PROMPT}, on {} threads; waits as p50 / p99\n", cores());
    print_table(
        &["", "texts", "tokens/s", ": one text", "ours without drafts : it", "first ms", "all ms"],
        &rows,
    );
    Ok(json!(results))
}

/// A runtime that is measured, and what was found of it for each number of texts.
struct Way {
    name: String,
    samples: [Vec<Sample>; TEXTS.len()],
}

impl Way {
    fn new(name: String) -> Self {
        Self { name, samples: Default::default() }
    }
}

/// Tokens per second of llama.cpp, or of the build in the folder `programs`, by the number of texts.
fn llama_cpp(programs: Option<&Path>, precision: &str, run_file: &Path) -> Result<BTreeMap<usize, f64>> {
    let numbers = [cores(), PROMPT, TOKENS].into_iter().chain(TEXTS).map(|number| number.to_string());
    let mut command = python("peers.llama_cpp_batched")?;
    command.arg(programs.unwrap_or(Path::new("")));
    let output = command.arg(precision).arg(run_file).args(numbers).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "llama.cpp {precision}: {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The sample with the median speed.
fn median(samples: &[Sample]) -> Result<Sample> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(|a, b| a.tokens_per_second.total_cmp(&b.tokens_per_second));
    sorted.get(sorted.len() / 2).copied().context("nothing was measured")
}

/// What some texts took: tokens per second of all; for ours also the milliseconds to the first token and to the last,
/// the median of the texts and their 99th percentile.
#[derive(Clone, Copy)]
struct Sample {
    tokens_per_second: f64,
    waits: Option<[[f64; 2]; 2]>,
}

/// Without the memory of earlier prompts, which would make repeats faster than what they repeat.
fn load(model: &Path, manifest: &Manifest, precision: Precision, drafts: bool) -> Result<Engine> {
    let file = manifest.variant(precision).with_context(|| format!("the version has no {precision}"))?;
    let session = OnnxModel::load(&model.join(&file.path), precision, &manifest.config, cores())?;
    let engine = Engine::new(session).with_slots(TEXTS[TEXTS.len() - 1]).with_prefix_cache(0);
    if !drafts {
        return Ok(engine);
    }
    let index =
        DraftIndex::from_bytes(std::fs::read(model.join(draft::FILE_NAME))?, manifest.config.vocab_size)?;
    let end_of_text = Some(artifact::tokenizer::END_OF_TEXT);
    Ok(engine.with_drafter(Box::new(CorpusDrafter { index: Some(index), end_of_text })))
}

/// So many texts at once, by a thread each.
fn run(engine: &Engine, prompts: &[&[u32]], texts: usize, round: usize) -> Result<Sample> {
    let start = Instant::now();
    let generations: Vec<Generation> = std::thread::scope(|scope| {
        let texts = (0..texts).map(|index| {
            let seed = (round * 1000 + index) as u64;
            let options = GenerationOptions::new(TOKENS, Sampling::new(0.7, Some(50)), seed);
            let prompt = prompts[(round * 7 + index) % prompts.len()];
            scope.spawn(move || engine.generate(prompt, &options))
        });
        let texts: Vec<_> = texts.collect();
        texts
            .into_iter()
            .map(|text| Ok(text.join().map_err(|_| anyhow::anyhow!("a text panicked"))??))
            .collect::<Result<_>>()
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let tokens: usize = generations.iter().map(|generation| generation.ids.len()).sum();
    let waits = |of: fn(&Generation) -> std::time::Duration| {
        let mut waits: Vec<f64> = generations.iter().map(|text| 1000.0 * of(text).as_secs_f64()).collect();
        waits.sort_by(f64::total_cmp);
        [0.5, 0.99].map(|share| waits[((waits.len() - 1) as f64 * share).round() as usize])
    };
    Ok(Sample {
        tokens_per_second: tokens as f64 / seconds,
        waits: Some([waits(|text| text.first_token), waits(|text| text.total)]),
    })
}
