//! Throughput: tokens per second of 1 to 32 texts at once, and how long each of them waits.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use artifact::draft::{self, DraftIndex};
use artifact::manifest::Precision;
use artifact::{Manifest, Sampling, Tokenizer};
use e2e::bench::{cores, print_table};
use engine::{CorpusDrafter, Engine, Generation, GenerationOptions, OnnxModel};
use serde_json::{Value, json};

/// Texts at once.
const TEXTS: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// Ids of a prompt, and tokens of a text.
const PROMPT: usize = 8;
const TOKENS: usize = 100;
/// Each number of texts is measured so often, in turns; the median counts.
const ROUNDS: usize = 3;

/// Measures the version in the folder `model`, whose prompts are parts of `text`.
pub fn measure(model: &Path, text: &Path) -> Result<Value> {
    let manifest = Manifest::from_json(&std::fs::read(model.join("manifest.json"))?)?;
    let ids = Tokenizer::gpt2()?.encode(&std::fs::read_to_string(text)?);
    let prompts: Vec<&[u32]> = ids.chunks_exact(PROMPT).collect();
    let mut results = Vec::new();
    let mut rows = Vec::new();
    for precision in [Precision::W4, Precision::W8] {
        for drafts in [false, true] {
            let engine = load(model, &manifest, precision, drafts)?;
            run(&engine, &prompts, 2, 0)?; // warm-up
            let mut samples: Vec<Vec<Sample>> = TEXTS.map(|_| Vec::new()).into();
            for round in 0..ROUNDS {
                for (samples, texts) in samples.iter_mut().zip(TEXTS) {
                    samples.push(run(&engine, &prompts, texts, round)?);
                }
            }
            for (mut samples, texts) in samples.into_iter().zip(TEXTS) {
                samples.sort_by(|a, b| a.tokens_per_second.total_cmp(&b.tokens_per_second));
                let Sample { tokens_per_second, first_ms, total_ms } = samples[ROUNDS / 2];
                let kind = format!("{precision}{}", if drafts { ", drafting" } else { "" });
                let numbers = [first_ms, total_ms].map(|[p50, p99]| format!("{p50:.0} / {p99:.0}"));
                let [first, total] = numbers;
                rows.push(vec![
                    kind.clone(),
                    texts.to_string(),
                    format!("{tokens_per_second:.0}"),
                    first,
                    total,
                ]);
                results.push(json!({
                    "kind": kind, "texts": texts, "tokens_per_second": tokens_per_second,
                    "first_ms": first_ms, "total_ms": total_ms,
                }));
            }
        }
    }
    println!("{TOKENS} tokens after {PROMPT}, on {} threads; waits as p50 / p99\n", cores());
    print_table(&["", "texts", "tokens/s", "first ms", "all ms"], &rows);
    Ok(json!(results))
}

/// What some texts took: tokens per second of all, and the median and the 99th percentile of the waits.
#[derive(Clone, Copy)]
struct Sample {
    tokens_per_second: f64,
    first_ms: [f64; 2],
    total_ms: [f64; 2],
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
        first_ms: waits(|text| text.first_token),
        total_ms: waits(|text| text.total),
    })
}
