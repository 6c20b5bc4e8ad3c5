//! ONNX parity: the exported graph computes what the model computes, with and without a KV cache, and other
//! readers of ONNX accept it.

use artifact::manifest::Precision;
use artifact::{GptConfig, Sampling};
use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use e2e::process::python;
use e2e::reference::{TinyGpt, largest_difference};
use engine::{Engine, FinishReason, GenerationOptions, OnnxModel};
use gpt::corpus::Batch;
use gpt::model::causal_mask::causal_mask;
use gpt::onnx::{Calibration, Recipe};
use gpt::release::evaluation::{compare, random_windows};
use gpt::{Gpt, device, onnx, weights};

/// A model and its export.
struct Pair {
    burn: Gpt,
    engine: OnnxModel,
    file: tempfile::NamedTempFile,
}

fn export(burn: Gpt) -> Pair {
    let file = tempfile::NamedTempFile::with_suffix(".onnx").unwrap();
    onnx::export(&burn, file.path()).unwrap();
    let engine = OnnxModel::load(file.path(), Precision::Float32, burn.config(), 1).unwrap();
    Pair { burn, engine, file }
}

fn tiny_gpt() -> (TinyGpt, Pair) {
    let reference = TinyGpt::read().unwrap();
    let model = weights::load(&reference.config(), &reference.weights(), &device::cpu()).unwrap();
    (reference, export(model.valid()))
}

/// Logits at every position, `[seq, vocab_size]` in one row.
fn burn_logits(model: &Gpt, ids: &[u32]) -> Vec<f32> {
    let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    let data = TensorData::new(ids.clone(), [1, ids.len()]);
    model.forward(Tensor::<2, Int>::from_data(data, &device::cpu())).into_data().try_to_vec().unwrap()
}

/// Logits at every position of `ids`, after what is in a cache of `past`.
fn engine_logits(model: &mut OnnxModel, past: &[u32], ids: &[u32]) -> Vec<f32> {
    model.truncate(0).unwrap();
    if !past.is_empty() {
        model.run(past, &[], |_| ()).unwrap();
    }
    assert_eq!(model.length(), past.len());
    let wanted: Vec<usize> = (0..ids.len()).collect();
    model.run(ids, &wanted, <[f32]>::to_vec).unwrap()
}

/// Ids that repeat too late to matter.
fn ids(count: usize, vocab_size: usize) -> Vec<u32> {
    (0..count).map(|i| ((i * i * 31 + i * 7 + 3) % vocab_size) as u32).collect()
}

/// Prefill, decode one by one, and prefill after a cache, at every length up to the context.
fn assert_parity(mut pair: Pair) {
    let config = pair.burn.config().clone();
    let (context_length, vocab_size) = (config.context_length, config.vocab_size);
    let ids = ids(context_length, vocab_size);
    let expected = burn_logits(&pair.burn, &ids);
    let at = |position: usize| &expected[position * vocab_size..(position + 1) * vocab_size];

    let mut largest = 0.0f32;
    let mut decoder = OnnxModel::load(pair.file.path(), Precision::Float32, &config, 1).unwrap();
    for length in 1..=context_length {
        let prefilled = engine_logits(&mut pair.engine, &[], &ids[..length]);
        largest = largest.max(largest_difference(&prefilled, &burn_logits(&pair.burn, &ids[..length])));
        let decoded = decoder.run(&ids[length - 1..length], &[0], <[f32]>::to_vec).unwrap();
        largest = largest.max(largest_difference(&decoded, at(length - 1)));
        largest = largest.max(largest_difference(&decoded, &prefilled[(length - 1) * vocab_size..]));
        let (past, new) = ids[..length].split_at(length / 2);
        let after_cache = engine_logits(&mut pair.engine, past, new);
        largest = largest.max(largest_difference(&after_cache, &prefilled[past.len() * vocab_size..]));
    }
    println!("largest difference over {context_length} lengths: {largest:e}");
    assert!(largest <= 1e-4, "{config:?}");
}

#[test]
fn logits_are_within_1e_4_at_every_length_with_and_without_cache() {
    assert_parity(tiny_gpt().1);
}

#[test]
fn a_tied_head_and_a_qkv_bias_are_exported_too() {
    let config = GptConfig { qkv_bias: true, tied_output_head: true, ..tiny_gpt().0.config() };
    assert_parity(export(Gpt::new(&config, &device::cpu()).valid()));
}

/// What each token attends to, in each block: `[n_heads, seq, seq]`.
fn burn_attention(model: &Gpt, ids: &[u32]) -> Vec<Vec<f32>> {
    let device = device::cpu();
    let seq = ids.len();
    let data = TensorData::new(ids.iter().map(|&id| i64::from(id)).collect(), [seq]);
    let tokens = model.token_embedding.forward(Tensor::<1, Int>::from_data(data, &device));
    let positions = model.position_embedding.forward(Tensor::arange(0..seq as i64, &device));
    let mut x = (tokens + positions).unsqueeze::<3>(); // [1, seq, d_model]
    let mask = causal_mask(seq, &device);
    let weights = model.blocks.iter().map(|block| {
        let weights = block.attention.weights(block.norm1.forward(x.clone()), mask.clone());
        x = block.forward(x.clone(), mask.clone());
        weights.into_data().try_to_vec().unwrap()
    });
    weights.collect()
}

/// What the page shows of the attention is what the trained model computes.
#[test]
fn attention_weights_are_within_1e_3() {
    let (reference, pair) = tiny_gpt();
    let ids = ids(20, reference.config().vocab_size);
    let expected = burn_attention(&pair.burn, &ids).concat();
    let difference = |engine: OnnxModel| {
        let found = Engine::new(engine).inspect(&ids).unwrap().unwrap().attention.concat();
        largest_difference(&found, &expected)
    };
    let float32 = difference(pair.engine);
    assert!(float32 <= 1e-3, "{float32:e}");
    for (precision, recipe) in [(Precision::W8, Recipe::W8), (Precision::W4, Recipe::W4)] {
        onnx::export_quantized(&pair.burn, recipe, None, pair.file.path()).unwrap();
        let engine = OnnxModel::load(pair.file.path(), precision, pair.burn.config(), 1).unwrap();
        println!("attention weights of {precision}: largest difference {:e}", difference(engine));
    }
    println!("of float32: {float32:e}");
}

/// Weights that are rounded for a text lose less on it than those that are rounded for themselves; with heads
/// of 12, which are filled up, and of 8.
#[test]
fn rounding_for_a_text_is_nearer_to_the_model_on_it() {
    let (reference, pair) = tiny_gpt();
    let other = GptConfig { d_model: 32, n_heads: 4, d_ff: 128, ..reference.config() };
    for model in [pair.burn, Gpt::new(&other, &device::cpu()).valid()] {
        let texts: Vec<Batch> = random_windows(model.config(), 20, &device::cpu()).collect();
        let calibration = Calibration::measure(&model, &texts).unwrap();
        for (precision, recipe) in [(Precision::W8, Recipe::W8), (Precision::W4, Recipe::W4)] {
            let divergence = |calibration| {
                onnx::export_quantized(&model, recipe, calibration, pair.file.path()).unwrap();
                let mut export = OnnxModel::load(pair.file.path(), precision, model.config(), 1).unwrap();
                let (_, compared) = compare(&model, &mut [&mut export], texts.iter().cloned()).unwrap();
                compared[0].kl_divergence
            };
            let (alone, together) = (divergence(None), divergence(Some(&calibration)));
            println!("{precision}: KL {alone:e}, rounded for the text {together:e}");
            assert!(together < alone, "{precision}: {together:e} {alone:e}");
        }
    }
}

#[test]
fn several_wanted_positions_come_in_their_order() {
    let (reference, mut pair) = tiny_gpt();
    let vocab_size = reference.config().vocab_size;
    let ids = ids(9, vocab_size);
    let all = engine_logits(&mut pair.engine, &[], &ids);
    pair.engine.truncate(0).unwrap();
    let some = pair.engine.run(&ids, &[8, 2], <[f32]>::to_vec).unwrap();
    assert_eq!(some[..vocab_size], all[8 * vocab_size..]);
    assert_eq!(some[vocab_size..], all[2 * vocab_size..3 * vocab_size]);
}

fn greedy(max_tokens: usize) -> GenerationOptions {
    GenerationOptions::new(max_tokens, Sampling::Greedy, 0)
}

#[test]
fn greedy_text_is_pytorchs_past_the_context() {
    let (reference, pair) = tiny_gpt();
    let (prompt, expected) = reference.greedy.split_at(5);
    let engine = Engine::new(pair.engine).with_slide_stride(1);
    assert_eq!(engine.generate(prompt, &greedy(expected.len())).unwrap().ids, expected);
}

#[test]
fn a_larger_stride_changes_nothing_before_the_context_is_full() {
    let (reference, pair) = tiny_gpt();
    let (prompt, expected) = reference.greedy.split_at(5);
    let context_length = reference.config().context_length;
    let generation = Engine::new(pair.engine).generate(prompt, &greedy(expected.len())).unwrap();
    assert_eq!(generation.ids.len(), expected.len());
    assert_eq!(generation.finish_reason, FinishReason::Length);
    // The last id before the first slide is predicted from a full context.
    let before_slide = context_length - prompt.len() + 1;
    assert_eq!(generation.ids[..before_slide], expected[..before_slide]);
}

#[test]
fn a_prompt_longer_than_the_context_is_read_from_its_end() {
    let (reference, pair) = tiny_gpt();
    let config = reference.config();
    let prompt = ids(3 * config.context_length, config.vocab_size);
    let engine = Engine::new(pair.engine);
    let whole = engine.generate(&prompt, &greedy(20)).unwrap().ids;
    let end = engine.generate(&prompt[2 * config.context_length..], &greedy(20)).unwrap().ids;
    assert_eq!(whole, end);
}

#[test]
fn a_stop_id_ends_the_text_and_is_not_part_of_it() {
    let (reference, pair) = tiny_gpt();
    let (prompt, expected) = reference.greedy.split_at(5);
    let options = GenerationOptions { stop_ids: vec![expected[3]], ..greedy(20) };
    let generation = Engine::new(pair.engine).generate(prompt, &options).unwrap();
    assert_eq!(generation.ids, expected[..3]);
    assert_eq!(generation.finish_reason, FinishReason::Stop);
}

#[test]
fn the_seed_decides_the_text() {
    let (_, pair) = tiny_gpt();
    let engine = Engine::new(pair.engine);
    let ids = |seed| {
        let options = GenerationOptions::new(40, Sampling::new(1.0, Some(50)), seed);
        engine.generate(&[1, 2, 3], &options).unwrap().ids
    };
    assert_eq!(ids(7), ids(7));
    assert_ne!(ids(7), ids(8));
}

#[test]
fn what_cannot_be_run_is_an_error_that_says_why() {
    let (_, pair) = tiny_gpt();
    let mut wrong_shape = pair.burn.config().clone();
    wrong_shape.n_layers += 1;
    let error =
        OnnxModel::load(pair.file.path(), Precision::Float32, &wrong_shape, 1).err().unwrap().to_string();
    assert!(error.contains("no input `past_key_values.3.key`"), "{error}");

    let engine = Engine::new(pair.engine);
    assert!(engine.generate(&[], &greedy(1)).unwrap_err().to_string().contains("prompt is empty"));
    assert!(engine.generate(&[97], &greedy(1)).unwrap_err().to_string().contains("token id 97"));

    std::fs::write(pair.file.path(), "not a graph").unwrap();
    let error = OnnxModel::load(pair.file.path(), Precision::Float32, pair.burn.config(), 1)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains(pair.file.path().to_str().unwrap()), "{error}");
}

/// `onnx.checker` with full shape inference, then onnxruntime from Python against PyTorch's logits.
#[test]
fn the_onnx_checker_and_python_accept_the_file() {
    let (_, pair) = tiny_gpt();
    let reference = e2e::reference::folder().join("tiny-gpt");
    print!("{}", python("check_onnx.py", &[pair.file.path(), &reference]).unwrap());
}
