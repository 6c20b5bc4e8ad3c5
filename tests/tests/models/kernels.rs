//! Parity of the engine's own kernels with ONNX Runtime's, in whole models.

use artifact::GptConfig;
use artifact::manifest::Precision;
use artifact::onnx::{
    INPUT_IDS, LOGIT_POSITIONS, LOGITS, POSITION_IDS, SEQLENS_K, TOTAL_SEQUENCE_LENGTH, past_key, past_value,
};
use burn::module::Module;
use e2e::reference::TinyGpt;
use engine::OnnxModel;
use gpt::onnx::{self, Recipe};
use gpt::{Gpt, device, weights};
use ort::session::{Session, SessionInputValue};
use ort::value::Tensor;

const RECIPES: [(Precision, Recipe); 2] = [(Precision::W4, Recipe::W4), (Precision::W8, Recipe::W8)];

/// A trained model; one with biases, more heads and wider ones, for whole registers and more; and one with so many
/// tokens that its head has a shortlist.
fn models() -> [Gpt; 3] {
    let reference = TinyGpt::read().unwrap();
    let trained = weights::load(&reference.config(), &reference.weights(), &device::cpu()).unwrap().valid();
    let wide = GptConfig { n_heads: 3, d_model: 216, qkv_bias: true, ..trained.config().clone() };
    let wide = Gpt::new(&wide, &device::cpu()).valid();
    let wordy = GptConfig { vocab_size: 40_000, ..trained.config().clone() };
    let wordy = Gpt::new(&wordy, &device::cpu()).valid();
    [trained, wide, wordy]
}

fn ids(model: &Gpt) -> Vec<u32> {
    let GptConfig { vocab_size, context_length, .. } = *model.config();
    (0..context_length as u32).map(|i| i.wrapping_mul(2_654_435_761) % vocab_size as u32).collect()
}

/// Logits at all positions, by a session that knows nothing of the engine.
fn plain_logits(path: &std::path::Path, config: &GptConfig, ids: &[u32]) -> Vec<f32> {
    let environment = engine::runtime::environment().unwrap();
    let mut session = Session::builder(&environment).unwrap().commit_from_file(path).unwrap();
    let row = |values: Vec<i64>| Tensor::from_array(([1, values.len()], values)).unwrap();
    let count = ids.len();
    let wanted = Tensor::from_array(([count], (0..count as i64).collect::<Vec<_>>())).unwrap();
    let mut inputs: Vec<(String, SessionInputValue<'_>)> = vec![
        (INPUT_IDS.into(), row(ids.iter().map(|&id| i64::from(id)).collect()).into()),
        (POSITION_IDS.into(), row((0..count as i64).collect()).into()),
        (LOGIT_POSITIONS.into(), wanted.into()),
        (SEQLENS_K.into(), Tensor::from_array(([1], vec![count as i32 - 1])).unwrap().into()),
        (
            TOTAL_SEQUENCE_LENGTH.into(),
            Tensor::from_array(([0_usize; 0], vec![count as i32])).unwrap().into(),
        ),
    ];
    let shape = [1, config.n_heads, config.context_length, config.d_head().next_multiple_of(8)];
    for layer in 0..config.n_layers {
        for name in [past_key(layer), past_value(layer)] {
            let zeros = vec![0.0_f32; shape.iter().product()];
            inputs.push((name, Tensor::from_array((shape, zeros)).unwrap().into()));
        }
    }
    let outputs = session.run(inputs).unwrap();
    outputs[LOGITS].try_extract_tensor::<f32>().unwrap().1.to_vec()
}

/// Beside weights of 4 bits both round activations to 8 bits in the same blocks, so what is left are roundings of
/// sums; where one of those decides about an integer, it costs as much as that integer. Beside weights of 8 bits
/// ours keep 16.
#[test]
fn they_compute_what_onnx_runtimes_own_compute() {
    for model in models() {
        for (precision, recipe) in RECIPES {
            let file = tempfile::NamedTempFile::with_suffix(".onnx").unwrap();
            onnx::export_quantized(&model, recipe, None, file.path()).unwrap();
            let ids = ids(&model);
            let expected = plain_logits(file.path(), model.config(), &ids);
            let spread = expected.iter().fold(0.0_f32, |most, logit| most.max(logit.abs()));
            for threads in [1, 2] {
                let mut ours = OnnxModel::load(file.path(), precision, model.config(), threads).unwrap();
                let wanted: Vec<usize> = (0..ids.len()).collect();
                let found = ours.run(&ids, &wanted, <[f32]>::to_vec).unwrap();
                let compared = likely(&found, &expected, precision, model.config().vocab_size);
                let difference = compared.iter().fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
                println!("{precision}: {:?}: {difference} of {spread}", ours.kernels());
                assert!(difference <= 0.02 * spread, "{precision}: {difference} of {spread}");
            }
        }
    }
}

/// Logits in pairs: all; or, where the engine makes a shortlist, which it does from about 32,700 tokens on, the largest
/// 50 of each row, which are well within it.
fn likely(found: &[f32], expected: &[f32], precision: Precision, vocab_size: usize) -> Vec<(f32, f32)> {
    let count = if precision == Precision::W4 && vocab_size > 32_768 { 50 } else { vocab_size };
    let rows = found.chunks(vocab_size).zip(expected.chunks(vocab_size));
    let largest = rows.flat_map(|(found, expected)| {
        let mut pairs: Vec<(f32, f32)> = found.iter().copied().zip(expected.iter().copied()).collect();
        pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
        pairs.truncate(count);
        pairs
    });
    largest.collect()
}

/// Of the same file, as a model of 8 bits would be run and with a shortlist: the largest logits are the same bits,
/// and the others are near.
#[test]
fn a_shortlist_changes_unlikely_logits_alone() {
    let [.., model] = models();
    let file = tempfile::NamedTempFile::with_suffix(".onnx").unwrap();
    onnx::export_quantized(&model, Recipe::W4, None, file.path()).unwrap();
    let (ids, vocab_size) = (ids(&model), model.config().vocab_size);
    let wanted: Vec<usize> = (0..ids.len()).collect();
    let [whole, listed] = [Precision::W8, Precision::W4].map(|precision| {
        let mut ours = OnnxModel::load(file.path(), precision, model.config(), 2).unwrap();
        assert_eq!(ours.run(&ids, &[], <[f32]>::len).unwrap(), 0);
        ours.truncate(0).unwrap();
        let logits = ours.run(&ids, &wanted, <[f32]>::to_vec).unwrap();
        ours.has_own_kernels().then_some(logits)
    });
    let (Some(whole), Some(listed)) = (whole, listed) else {
        println!("this processor has no AVX2: there are no shortlists");
        return;
    };
    assert!(
        likely(&listed, &whole, Precision::W4, vocab_size).iter().all(|(a, b)| a.to_bits() == b.to_bits())
    );
    for (listed, whole) in listed.chunks(vocab_size).zip(whole.chunks(vocab_size)) {
        let changed = listed.iter().zip(whole).filter(|(a, b)| a != b).count();
        assert!(changed > vocab_size * 9 / 10, "{changed} of {vocab_size}");
        let square = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|x| x * x).sum::<f32>();
        let error =
            square(&mut listed.iter().zip(whole).map(|(a, b)| a - b)) / square(&mut whole.iter().copied());
        assert!(error.sqrt() < 0.15, "{}", error.sqrt());
    }
}

/// One by one, in parts and all at once, on one thread and on two: the same bits.
#[test]
fn a_row_gives_the_same_bits_alone_and_among_others() {
    for model in models() {
        for (precision, recipe) in RECIPES {
            let file = tempfile::NamedTempFile::with_suffix(".onnx").unwrap();
            onnx::export_quantized(&model, recipe, None, file.path()).unwrap();
            let ids = ids(&model);
            let logits = |threads: usize, part: usize| {
                let mut ours = OnnxModel::load(file.path(), precision, model.config(), threads).unwrap();
                let mut logits = Vec::new();
                for ids in ids.chunks(part) {
                    let wanted: Vec<usize> = (0..ids.len()).collect();
                    ours.run(ids, &wanted, |row| logits.extend(row.iter().map(|logit| logit.to_bits())))
                        .unwrap();
                }
                ours.has_own_kernels().then_some(logits)
            };
            let alone = logits(1, 1);
            if alone.is_none() {
                println!("this processor has no AVX2: nothing to compare");
            }
            for (threads, part) in [(1, ids.len()), (1, 6), (1, 7), (2, 5), (2, ids.len())] {
                assert!(logits(threads, part) == alone, "{precision}, {threads} threads, {part} at a time");
            }
        }
    }
}
