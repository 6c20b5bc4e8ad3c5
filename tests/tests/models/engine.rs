//! Exactness of the engine's shortcuts: the in-place KV cache of quantized graphs, the prefix cache, speculative
//! decoding and concurrent callers change no text.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use artifact::manifest::Precision;
use artifact::sampling::LogitsProcessors;
use artifact::{GptConfig, Sampling};
use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use e2e::reference::{TinyGpt, largest_difference};
use engine::{Drafter, Engine, FinishReason, Generation, GenerationOptions, OnnxModel};
use gpt::onnx::{self, Recipe};
use gpt::{Gpt, device, weights};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A trained model of 3 layers, with heads of 12 numbers: not a multiple of 8.
fn tiny_gpt() -> Gpt {
    let reference = TinyGpt::read().unwrap();
    weights::load(&reference.config(), &reference.weights(), &device::cpu()).unwrap().valid()
}

fn quantized(model: &Gpt, recipe: Recipe) -> OnnxModel {
    let file = tempfile::NamedTempFile::with_suffix(".onnx").unwrap();
    onnx::export_quantized(model, recipe, None, file.path()).unwrap();
    OnnxModel::load(file.path(), Precision::W8, model.config(), 1).unwrap()
}

fn w8() -> OnnxModel {
    quantized(&tiny_gpt(), Recipe::W8)
}

/// Ids that a seed decides.
fn random_ids(seed: u64, count: usize, vocab_size: usize) -> Vec<u32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| random.random_range(0..vocab_size as u32)).collect()
}

fn greedy(max_tokens: usize) -> GenerationOptions {
    GenerationOptions::new(max_tokens, Sampling::Greedy, 0)
}

fn random(max_tokens: usize, seed: u64) -> GenerationOptions {
    GenerationOptions::new(max_tokens, Sampling::new(0.7, Some(50)), seed)
}

/// A generation, and the bits of the logits that each of its tokens was chosen from.
fn generate_bits(
    engine: &Engine,
    prompt: &[u32],
    options: &GenerationOptions,
) -> (Generation, Vec<Vec<u32>>) {
    let mut bits = Vec::new();
    let generation = engine.generate_with(prompt, options, |token| {
        bits.push(token.logits.iter().map(|logit| logit.to_bits()).collect());
        ControlFlow::Continue(())
    });
    (generation.unwrap(), bits)
}

/// Guesses by a function of the text so far.
struct Guess<F>(F);

impl<F: Fn(&[u32], usize) -> Vec<u32> + Send> Drafter for Guess<F> {
    fn draft(&self, recent: &[u32], max: usize, drafted: &mut Vec<u32>) {
        drafted.extend((self.0)(recent, max));
    }
}

/// Logits of the burn model at every position, `[seq, vocab_size]` in one row.
fn burn_logits(model: &Gpt, ids: &[u32]) -> Vec<f32> {
    let data = TensorData::new(ids.iter().map(|&id| i64::from(id)).collect::<Vec<_>>(), [1, ids.len()]);
    model.forward(Tensor::<2, Int>::from_data(data, &device::cpu())).into_data().try_to_vec().unwrap()
}

/// At every length: in one run, one by one, and in two runs. 8 bits are near the model; the way to a
/// position changes only roundings.
#[test]
fn a_quantised_graph_computes_the_model_with_and_without_a_cache() {
    let shapes = [
        |config: GptConfig| config,
        |config: GptConfig| GptConfig { qkv_bias: true, tied_output_head: true, ..config },
    ];
    for shape in shapes {
        let config = shape(tiny_gpt().config().clone());
        let model = if &config == tiny_gpt().config() {
            tiny_gpt()
        } else {
            Gpt::new(&config, &device::cpu()).valid()
        };
        let vocab_size = config.vocab_size;
        let ids = random_ids(1, config.context_length, vocab_size);
        let expected = burn_logits(&model, &ids);
        let spread = expected.iter().fold(0.0f32, |most, logit| most.max(logit.abs()));
        let mut whole = quantized(&model, Recipe::W8);
        let mut one_by_one = quantized(&model, Recipe::W8);
        let (mut from_model, mut from_each_other) = (0.0f32, 0.0f32);
        for length in 1..=ids.len() {
            let mut logits = |past: usize| {
                whole.truncate(0).unwrap();
                if past > 0 {
                    whole.run(&ids[..past], &[], |_| ()).unwrap();
                }
                whole.run(&ids[past..length], &[length - past - 1], <[f32]>::to_vec).unwrap()
            };
            let (prefilled, continued) = (logits(0), logits(length / 2));
            let decoded = one_by_one.run(&ids[length - 1..length], &[0], <[f32]>::to_vec).unwrap();
            let expected = &expected[(length - 1) * vocab_size..length * vocab_size];
            from_model = from_model.max(largest_difference(&prefilled, expected));
            from_each_other = from_each_other.max(largest_difference(&prefilled, &decoded));
            from_each_other = from_each_other.max(largest_difference(&prefilled, &continued));
        }
        println!("of {spread}: from the model {from_model}, from each other {from_each_other}");
        assert!(from_model <= 0.03 * spread && from_each_other <= 0.01 * spread);
        assert!(from_each_other == 0.0 || !whole.has_own_kernels());
    }
}

/// The insides of a quantised model are near those of the model: attention sums to 1 over what is there,
/// nothing attends to what follows, and what may come next is what a run says.
#[test]
fn insides_are_those_of_the_model() {
    let model = tiny_gpt();
    let config = model.config().clone();
    let file = tempfile::NamedTempFile::with_suffix(".onnx").unwrap();
    onnx::export(&model, file.path()).unwrap();
    let mut exact = OnnxModel::load(file.path(), Precision::Float32, &config, 1).unwrap();
    let ids = random_ids(21, 19, config.vocab_size);
    let expected = exact.inspect(&ids).unwrap();
    let table: Vec<f32> = model.token_embedding.weight.val().into_data().try_to_vec().unwrap();
    for (position, &id) in ids.iter().enumerate() {
        let row = &table[id as usize * config.d_model..][..config.d_model];
        assert_eq!(&expected.token_embeddings[position * config.d_model..][..config.d_model], row);
    }
    for (recipe, tolerance) in [(Recipe::W8, 0.02), (Recipe::W4, 0.2)] {
        let mut ours = quantized(&model, recipe);
        ours.run(&ids[..7], &[], |_| ()).unwrap(); // what was run before must not show
        let found = ours.inspect(&ids).unwrap();
        assert_eq!(found.attention.len(), config.n_layers);
        for (found, expected) in found.attention.iter().zip(&expected.attention) {
            assert_eq!(found.len(), config.n_heads * ids.len() * ids.len());
            for (index, row) in found.chunks(ids.len()).enumerate() {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                assert!(row[index % ids.len() + 1..].iter().all(|&weight| weight == 0.0));
            }
            let difference = largest_difference(found, expected);
            assert!(difference < tolerance, "{difference}");
        }
        let logits = ours.run(&ids, &[ids.len() - 1], <[f32]>::to_vec).unwrap();
        assert!(largest_difference(&found.logits, &logits) <= 1e-4);
        assert_eq!(ours.length(), ids.len());
    }
}

/// What a run computes lies in the memory that the next one reads: past and present are one.
#[test]
fn the_cache_is_written_in_place() {
    let mut model = w8();
    let ids = random_ids(2, 12, model.config().vocab_size);
    model.run(&ids[..8], &[], |_| ()).unwrap();
    let first = model.rows(0, 8).unwrap();
    model.run(&ids[8..], &[], |_| ()).unwrap();
    assert_eq!(model.rows(0, 8).unwrap(), first);
    assert_ne!(model.rows(8, 12).unwrap(), model.rows(4, 8).unwrap());

    // Keys and values that are put there from outside are what the next run sees.
    let mut other = w8();
    other.restore(0, &first).unwrap();
    let after = |model: &mut OnnxModel| model.run(&ids[8..9], &[0], <[f32]>::to_vec).unwrap();
    model.truncate(8).unwrap();
    assert_eq!(after(&mut other), after(&mut model));
}

#[test]
fn a_graph_is_loaded_from_memory_too() {
    let file = tempfile::NamedTempFile::with_suffix(".onnx").unwrap();
    let model = tiny_gpt();
    onnx::export_quantized(&model, Recipe::W4, None, file.path()).unwrap();
    let mut from_file = OnnxModel::load(file.path(), Precision::W4, model.config(), 1).unwrap();
    let bytes = std::fs::read(file.path()).unwrap();
    let from_memory = |bytes: &[u8]| OnnxModel::from_memory(bytes, "w4", Precision::W4, model.config(), 1);
    let mut in_memory = from_memory(&bytes).unwrap();
    drop(bytes);
    let logits = |model: &mut OnnxModel| model.run(&[1, 2, 3], &[2], <[f32]>::to_vec).unwrap();
    assert_eq!(logits(&mut from_file), logits(&mut in_memory));
    let error = from_memory(b"no graph").err().unwrap().to_string();
    assert!(error.contains("w4"), "{error}");
}

/// Cold, repeated, extended, and behind a prefix that another prompt has run: the same bits.
#[test]
fn earlier_prompts_change_no_bit() {
    let config = tiny_gpt().config().clone();
    let without = Engine::new(w8()).with_prefix_cache(0);
    let with = Engine::new(w8());
    let ids = random_ids(3, 3 * config.context_length, config.vocab_size);
    let other_end = random_ids(4, 5, config.vocab_size);
    let longest = config.context_length;
    let mut reused = 0;
    for round in 0..2 {
        for length in [1, 7, longest - 1, longest, longest + 1, 2 * longest + 3] {
            let branched = [&ids[..length / 2 + 1], &other_end].concat();
            for prompt in [&ids[..length], &branched] {
                let (cold, cold_bits) = generate_bits(&without, prompt, &random(12, 5));
                let (warm, warm_bits) = generate_bits(&with, prompt, &random(12, 5));
                assert_eq!(cold.ids, warm.ids, "length {length}");
                assert!(cold_bits == warm_bits, "length {length}");
                assert_eq!((cold.work.reused, round == 0 || warm.work.reused > 0), (0, true));
                reused += warm.work.reused;
            }
        }
    }
    assert!(reused > 0);
}

/// An engine that has 64 positions runs prompts in chunks, and shares those before the difference.
#[test]
fn a_longer_prompt_runs_only_what_is_new() {
    let config = GptConfig { context_length: 128, ..tiny_gpt().config().clone() };
    let engine = Engine::new(quantized(&Gpt::new(&config, &device::cpu()).valid(), Recipe::W8));
    let ids = random_ids(6, 100, config.vocab_size);
    if !w8().has_own_kernels() {
        return; // chunks are longer than the context
    }
    let chunk = engine::engine::PREFILL_CHUNK;
    let work = |prompt: &[u32]| {
        let work = engine.generate(prompt, &greedy(1)).unwrap().work;
        (work.prefilled, work.reused)
    };
    assert_eq!(work(&ids[..70]), (70, 0));
    assert_eq!(work(&ids[..70]), (0, 70));
    assert_eq!(work(&ids[..100]), (100 - 2 * chunk, 2 * chunk));
    assert_eq!(work(&ids[..chunk + 3]), (3, chunk));
}

/// Whether two greedy texts differ, which is excused only where the logits of the two ids lie within
/// rounding of each other; `bits` are those of the first text's logits. The engine's own kernels round
/// the same in every run, so there nothing is excused.
fn is_excused(expected: &Generation, bits: &[Vec<u32>], found: &Generation) -> bool {
    assert_eq!(expected.ids.len(), found.ids.len());
    let mut pairs = expected.ids.iter().zip(&found.ids);
    let Some(index) = pairs.position(|(a, b)| a != b) else { return false };
    let logit = |id: u32| f32::from_bits(bits[index][id as usize]);
    let gap = logit(expected.ids[index]) - logit(found.ids[index]);
    assert!((0.0..1e-3).contains(&gap), "token {index} differs, and {gap} lies between");
    assert!(!w8().has_own_kernels(), "token {index} differs, {gap} apart, with kernels that are exact");
    true
}

/// Right guesses and wrong ones: the same ids as without, at temperature 0. With ONNX Runtime's kernels
/// roundings differ with the number of positions in a run, so two logits that lie that close may change
/// places; then the text has to agree up to there.
#[test]
fn drafts_change_no_greedy_text() {
    const PROMPTS: u64 = 1000;
    const TOKENS: usize = 12;
    let vocab_size = tiny_gpt().config().vocab_size;
    let plain = Engine::new(w8()).with_prefix_cache(0);
    let text = Arc::new(Mutex::new(Vec::new()));
    let known = Arc::clone(&text);
    // Knows the text, and spoils every fifth guess.
    let guess = move |recent: &[u32], max: usize| {
        let known: MutexGuard<'_, Vec<u32>> = known.lock().unwrap();
        let spoil = |position: usize| known[position] ^ u32::from(position.is_multiple_of(5));
        (recent.len()..known.len().min(recent.len() + max)).map(spoil).collect()
    };
    let drafting = Engine::new(w8()).with_prefix_cache(0).with_drafter(Box::new(Guess(guess)));
    let (mut excused, mut accepted, mut drafted) = (0, 0, 0);
    for seed in 0..PROMPTS {
        let prompt = random_ids(seed, 1 + (seed as usize * 13) % 20, vocab_size);
        let (expected, bits) = generate_bits(&plain, &prompt, &greedy(TOKENS));
        *text.lock().unwrap() = [&prompt[..], &expected.ids].concat();
        let found = drafting.generate(&prompt, &greedy(TOKENS)).unwrap();
        accepted += found.work.accepted;
        drafted += found.work.drafted;
        excused += u64::from(is_excused(&expected, &bits, &found));
    }
    println!("{drafted} drafted, {accepted} accepted, {excused} of {PROMPTS} texts excused");
    assert!(accepted > 2000 && drafted > accepted);
    assert!(excused <= PROMPTS / 100);
}

/// An oracle that knows the text: every guess is right, and far fewer runs are needed, whatever changes the logits.
#[test]
fn right_guesses_save_runs() {
    let plain = Engine::new(w8());
    let prompt = random_ids(9, 5, plain.config().vocab_size);
    let processors = LogitsProcessors {
        logit_bias: vec![(3, 2.0), (5, -100.0)],
        suppressed: vec![(7, 10)],
        repetition_penalty: 1.3,
        frequency_penalty: 0.7,
        presence_penalty: -0.4,
    };
    let with_processors = |options| GenerationOptions { processors: processors.clone(), ..options };
    for options in [greedy(20), random(20, 3), with_processors(greedy(20)), with_processors(random(20, 3))] {
        let expected = plain.generate(&prompt, &options).unwrap();
        let text = [&prompt[..], &expected.ids].concat();
        let oracle = Guess(move |recent: &[u32], max: usize| {
            text[recent.len()..text.len().min(recent.len() + max)].to_vec()
        });
        let drafting = Engine::new(w8()).with_drafter(Box::new(oracle));
        let found = drafting.generate(&prompt, &options).unwrap();
        assert_eq!(found.ids, expected.ids);
        assert_eq!(found.work.accepted, found.work.drafted);
        assert!(found.work.runs * 2 < expected.work.runs, "{:?} {:?}", found.work, expected.work);
        let off = drafting.generate(&prompt, &GenerationOptions { draft: false, ..options }).unwrap();
        assert_eq!((off.ids, off.work.drafted), (expected.ids, 0));
    }
}

/// `sum (observed - expected)^2 / expected` over the ids that are expected at least 5 times, the others
/// together; and its degrees of freedom.
fn chi_square(counts: &HashMap<u32, usize>, probabilities: &[f64], samples: usize) -> (f64, usize) {
    let (mut statistic, mut cells, mut rest) = (0.0, 0, (0.0, 0.0));
    for (id, probability) in probabilities.iter().enumerate() {
        let expected = probability * samples as f64;
        let observed = counts.get(&(id as u32)).copied().unwrap_or(0) as f64;
        if expected >= 5.0 {
            statistic += (observed - expected).powi(2) / expected;
            cells += 1;
        } else {
            rest = (rest.0 + expected, rest.1 + observed);
        }
    }
    if rest.0 > 0.0 {
        statistic += (rest.1 - rest.0).powi(2) / rest.0.max(1.0);
        cells += 1;
    }
    (statistic, cells - 1)
}

/// What `sampling` makes of some logits.
fn probabilities(logits: &[f32], temperature: f64, top_k: usize) -> Vec<f64> {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
    let mut weights = vec![0.0; logits.len()];
    for &id in &order[..top_k.min(order.len())] {
        weights[id] = (f64::from(logits[id]) / temperature).exp();
    }
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

/// The second and third token of 40,000 texts, eight at a time, follow the model's own distribution, although they are
/// guessed; accepting the same guesses by a rule that is too kind does not.
#[test]
fn drafts_keep_the_distribution() {
    const TEXTS: u64 = 40_000;
    const TOP_K: usize = 8;
    let options = |seed| GenerationOptions::new(3, Sampling::new(0.7, Some(TOP_K)), seed);
    let mut model = w8();
    let vocab_size = model.config().vocab_size;
    let prompt = random_ids(11, 6, vocab_size);
    let mut after = HashMap::new(); // of one and two ids: the distribution of the next
    let mut distribution = |ids: &[u32]| {
        model.truncate(0).unwrap();
        let ids = [&prompt[..], ids].concat();
        let logits = model.run(&ids, &[ids.len() - 1], <[f32]>::to_vec).unwrap();
        probabilities(&logits, 0.7, TOP_K)
    };
    let (mut seconds, mut thirds) = (vec![0.0; vocab_size], vec![0.0; vocab_size]);
    let firsts = distribution(&[]);
    for (first, p) in possible(&firsts) {
        let of_second = distribution(&[first]);
        for (second, q) in possible(&of_second) {
            seconds[second as usize] += p * q;
            let of_third = distribution(&[first, second]);
            for (third, r) in possible(&of_third) {
                thirds[third as usize] += p * q * r;
            }
            after.insert(vec![first, second], of_third);
        }
        after.insert(vec![first], of_second);
    }
    // What is likeliest is guessed, so that many guesses are accepted.
    let likeliest = |p: &[f64]| (0..p.len()).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap() as u32;
    let guesses: HashMap<Vec<u32>, u32> = after.iter().map(|(ids, p)| (ids.clone(), likeliest(p))).collect();
    let (length, known) = (prompt.len(), guesses.clone());
    let guess = move |recent: &[u32], max: usize| {
        let mut ids = recent[length..].to_vec();
        while ids.len() < recent.len() - length + max
            && let Some(&next) = known.get(&ids)
        {
            ids.push(next);
        }
        ids.split_off(recent.len() - length)
    };
    // As long as they are, since drafts of eight texts at once do not pay.
    let engine = Engine::new(w8()).with_drafter(Box::new(Guess(guess))).with_draft_length(2);

    let (mut second_counts, mut third_counts, mut kind_counts) =
        (HashMap::new(), HashMap::new(), HashMap::new());
    let mut accepted = 0;
    let mut state = ChaCha8Rng::seed_from_u64(12);
    // Eight at a time, which share passes.
    let generations: Vec<Generation> = std::thread::scope(|scope| {
        let callers = (0..8).map(|caller| {
            let (engine, prompt, options) = (&engine, &prompt, &options);
            let seeds = (caller * TEXTS / 8)..((caller + 1) * TEXTS / 8);
            scope.spawn(move || seeds.map(|seed| engine.generate(prompt, &options(seed)).unwrap()).collect())
        });
        let callers: Vec<_> = callers.collect();
        callers.into_iter().flat_map(|caller| -> Vec<_> { caller.join().unwrap() }).collect()
    });
    for generation in generations {
        accepted += generation.work.accepted;
        *second_counts.entry(generation.ids[1]).or_insert(0) += 1;
        *third_counts.entry(generation.ids[2]).or_insert(0) += 1;
        // The kind rule accepts a guess with probability min(1, 1.2 p), which is p and then 0.2 p.
        let first = vec![generation.ids[0]];
        let guess = guesses[&first];
        let kindly = state.random::<f64>() < 0.2 * after[&first][guess as usize];
        *kind_counts.entry(if kindly { guess } else { generation.ids[1] }).or_insert(0) += 1;
    }
    println!("{TEXTS} texts, {accepted} guesses accepted");
    assert!(accepted > 5_000);

    // Mean d, variance 2d: five standard deviations.
    let judge = |counts, expected: &[f64]| {
        let (statistic, freedom) = chi_square(counts, expected, TEXTS as usize);
        let limit = freedom as f64 + 5.0 * (2.0 * freedom as f64).sqrt();
        println!("chi-square {statistic:.1} with {freedom} degrees of freedom, limit {limit:.1}");
        statistic <= limit
    };
    assert!(judge(&second_counts, &seconds));
    assert!(judge(&third_counts, &thirds));
    assert!(!judge(&kind_counts, &seconds), "the test would not notice a biased rule");
}

/// The ids that can come, and how likely they are.
fn possible(probabilities: &[f64]) -> Vec<(u32, f64)> {
    (0..).zip(probabilities.iter().copied()).filter(|&(_, p)| p > 0.0).collect()
}

/// Any length of prompt up to three contexts: drafts, earlier prompts and both leave the text alone.
#[test]
fn any_length_of_prompt_gives_the_same_text() {
    let config = tiny_gpt().config().clone();
    let plain = Engine::new(w8()).with_prefix_cache(0);
    let repeat = |recent: &[u32], max: usize| recent[recent.len().saturating_sub(max)..].to_vec();
    let full = Engine::new(w8()).with_drafter(Box::new(Guess(repeat))).with_draft_length(4);
    let mut excused = 0;
    let lengths: Vec<usize> = (1..=3 * config.context_length).collect();
    // Eight at a time, which share passes.
    for lengths in lengths.chunks(8) {
        let prompts: Vec<_> =
            lengths.iter().map(|&length| random_ids(length as u64, length, config.vocab_size)).collect();
        // Past the end of the context, so that the window slides.
        let options = greedy(config.context_length + 4);
        let found: Vec<Generation> = std::thread::scope(|scope| {
            let texts = prompts.iter().map(|prompt| scope.spawn(|| full.generate(prompt, &options).unwrap()));
            texts.collect::<Vec<_>>().into_iter().map(|text| text.join().unwrap()).collect()
        });
        for (prompt, found) in prompts.iter().zip(&found) {
            let (expected, bits) = generate_bits(&plain, prompt, &options);
            excused += usize::from(is_excused(&expected, &bits, found));
        }
    }
    assert!(excused <= 2, "{excused}");
}

#[test]
fn whoever_takes_the_tokens_can_end_the_text_at_any_of_them() {
    let engine = Engine::new(w8());
    let prompt = random_ids(13, 9, engine.config().vocab_size);
    let whole = engine.generate(&prompt, &random(40, 1)).unwrap();
    for wanted in 1..=40 {
        let mut taken = Vec::new();
        let generation = engine.generate_with(&prompt, &random(40, 1), |token| {
            taken.push(token.id);
            if taken.len() == wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let generation = generation.unwrap();
        assert_eq!((&generation.ids[..], &taken[..]), (&whole.ids[..wanted], &whole.ids[..wanted]));
        assert_eq!(generation.finish_reason, FinishReason::Cancelled);
    }
    assert_eq!(engine.generate(&prompt, &random(40, 1)).unwrap().ids, whole.ids);
}

#[test]
fn a_deadline_ends_the_text_with_what_there_is() {
    let engine = Engine::new(w8());
    let prompt = random_ids(14, 9, engine.config().vocab_size);
    let past = GenerationOptions { deadline: Some(Instant::now()), ..random(40, 1) };
    let generation = engine.generate(&prompt, &past).unwrap();
    assert_eq!((generation.ids.len(), generation.finish_reason), (0, FinishReason::Deadline));
    assert_eq!(generation.work.runs, 0);

    let soon = Instant::now() + std::time::Duration::from_millis(50);
    let options = GenerationOptions { deadline: Some(soon), ..random(1_000_000, 1) };
    let generation = engine.generate(&prompt, &options).unwrap();
    assert_eq!(generation.finish_reason, FinishReason::Deadline);
    assert!(!generation.ids.is_empty());
}

#[test]
fn callers_at_the_same_time_get_the_text_they_would_get_alone() {
    let engine = Engine::new(w8());
    let vocab_size = engine.config().vocab_size;
    let ask = |caller: u64| {
        engine.generate(&random_ids(caller % 3, 20, vocab_size), &random(30, caller)).unwrap().ids
    };
    let alone: Vec<_> = (0..8).map(ask).collect();
    let together: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8).map(|caller| scope.spawn(move || ask(caller))).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
}
