//! Measurement of this project's engine with an ONNX file of a version.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use artifact::draft::{self, DraftIndex};
use artifact::manifest::Precision;
use artifact::tokenizer::END_OF_TEXT;
use artifact::{Manifest, Sampling};
use e2e::bench::{peak_rss_bytes, process_age};
use engine::{CorpusDrafter, Engine, Generation, GenerationOptions, OnnxModel};

use crate::run::{Drafts, Measurement, Run};

/// Positions of a pass whose costs are compared.
pub const ROWS: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// Passes of each number of positions.
const PASSES: usize = 15;

/// The model of `run` in one precision.
fn load(run: &Run, precision: Precision, threads: usize) -> Result<OnnxModel> {
    let manifest = Manifest::from_json(&std::fs::read(run.model.join("manifest.json"))?)?;
    let file = manifest.variant(precision).with_context(|| format!("the version has no {precision}"))?;
    Ok(OnnxModel::load(&run.model.join(&file.path), precision, &run.config, threads)?)
}

/// An engine without the memory of earlier prompts, which would make repeats faster than what they repeat.
fn engine(run: &Run, model: OnnxModel, draft: bool) -> Result<Engine> {
    let engine = Engine::new(model).with_prefix_cache(0);
    if !draft {
        return Ok(engine);
    }
    let bytes = std::fs::read(run.model.join(draft::FILE_NAME))?;
    let index = Some(DraftIndex::from_bytes(bytes, run.config.vocab_size)?);
    Ok(engine.with_drafter(Box::new(CorpusDrafter { index, end_of_text: Some(END_OF_TEXT) })))
}

/// Milliseconds of passes of 1 to 32 positions after a prompt, which take turns.
fn rows_ms(run: &Run, model: &mut OnnxModel) -> Result<BTreeMap<usize, Vec<f64>>> {
    let [prompt, next] = &run.prefill_prompts[..] else { return Ok(BTreeMap::new()) };
    model.run(prompt, &[], |_| ())?;
    let mut samples = BTreeMap::<usize, Vec<f64>>::new();
    for pass in 0..=PASSES {
        for rows in ROWS {
            let wanted: Vec<usize> = (0..rows).collect();
            let start = Instant::now();
            model.run(&next[prompt.len()..][..rows], &wanted, |_| ())?;
            let time = ms(start.elapsed());
            if pass > 0 {
                samples.entry(rows).or_default().push(time);
            }
            model.truncate(prompt.len())?;
        }
    }
    model.truncate(0)?;
    Ok(samples)
}

/// Loads the model and measures it, in this process.
pub fn measure(
    run: &Run,
    precision: Precision,
    threads: usize,
    draft: bool,
    seed: u64,
) -> Result<Measurement> {
    let process = process_age()?;
    engine::runtime::environment()?;
    let environment = process_age()?;
    let mut model = load(run, precision, threads)?;
    let loaded = process_age()?;
    let rows_ms = if draft || !model.has_own_kernels() { BTreeMap::new() } else { rows_ms(run, &mut model)? };
    let engine = engine(run, model, draft)?;

    let generate = |prompt: &[u32], max_tokens: usize, sampling: Sampling| -> Result<Generation> {
        Ok(engine.generate(prompt, &GenerationOptions::new(max_tokens, sampling, seed))?)
    };
    generate(&run.decode_prompt, 2, Sampling::Greedy)?; // warm-up

    // What is slow makes do with one sample of each, as in `peers/measure.py`.
    let brief = precision == Precision::Float32;
    let repeats = if brief { 1 } else { run.repeats };
    let requests = if brief { &run.request_prompts[..1] } else { &run.request_prompts };

    let mut prefill_ms = BTreeMap::new();
    for prompt in [&run.decode_prompt].into_iter().chain(&run.prefill_prompts) {
        let samples = (0..repeats).map(|_| Ok(ms(generate(prompt, 1, Sampling::Greedy)?.first_token)));
        prefill_ms.insert(prompt.len(), samples.collect::<Result<_>>()?);
    }
    let (mut decode_tokens_per_second, mut greedy_ids) = (BTreeMap::new(), None);
    for &count in &run.decode_tokens {
        let mut speeds = Vec::new();
        for _ in 0..repeats {
            let Generation { ids, first_token, total, .. } =
                generate(&run.decode_prompt, count, Sampling::Greedy)?;
            speeds.push((count - 1) as f64 / (total - first_token).as_secs_f64());
            greedy_ids.get_or_insert(ids);
        }
        decode_tokens_per_second.insert(count, speeds);
    }
    let sampling = Sampling::new(run.temperature, Some(run.top_k));
    let request_ms = requests
        .iter()
        .map(|prompt| Ok(ms(generate(prompt, run.request_tokens, sampling)?.total)))
        .collect::<Result<_>>()?;
    let drafts = |prompts: &[Vec<u32>]| -> Result<Drafts> {
        let (mut drafts, mut seconds, mut tokens) = (Drafts::default(), 0.0, 0);
        for prompt in prompts {
            let Generation { ids, total, work, .. } = generate(prompt, run.request_tokens, sampling)?;
            (seconds, tokens) = (seconds + total.as_secs_f64(), tokens + ids.len());
            drafts.drafted += work.drafted;
            drafts.accepted += work.accepted;
        }
        Ok(Drafts { tokens_per_second: tokens as f64 / seconds, ..drafts })
    };
    let drafts =
        if brief { None } else { Some([drafts(&run.request_prompts)?, drafts(&run.unseen_prompts)?]) };
    Ok(Measurement {
        version: format!("engine {}", env!("CARGO_PKG_VERSION")),
        load_ms: Some(ms(loaded)),
        load_parts_ms: BTreeMap::from([
            ("ONNX Runtime".to_owned(), ms(environment - process)),
            ("session".to_owned(), ms(loaded - environment)),
        ]),
        prefill_ms,
        decode_tokens_per_second,
        request_ms,
        greedy_ids,
        drafts,
        rows_ms,
        peak_rss_bytes: peak_rss_bytes()?,
    })
}

fn ms(duration: Duration) -> f64 {
    1000.0 * duration.as_secs_f64()
}
