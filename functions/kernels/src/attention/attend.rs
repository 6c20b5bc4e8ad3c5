//! Causal attention over keys and values that are kept from run to run (a KV cache), for several texts at once.
//!
//! New keys and values are written behind those that are there, in place. Each query then looks at the positions up
//! to its own: scores of 16 keys at a time, their softmax, and the mean of the values. Texts share a run and nothing
//! else.
//!
//! With several texts the caches are much of what a pass reads, since each has its own where the weights are shared. So
//! they have half precision: 11 significant bits, where the activations beside int4 weights have 8.

use super::head::Head;
use super::memory::{MAX_D_HEAD, Memory, Run};
use crate::instructions::{Instructions, dispatch};
use crate::simd::{F16, LANES, Simd};
use crate::thread_pool::ThreadPool;

/// Heads of attention.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionShape {
    /// Heads, of keys as of queries.
    pub n_heads: usize,
    /// Numbers of a head's query, key or value: from 1 to [`MAX_D_HEAD`].
    pub d_head: usize,
    /// Factor of the products of queries and keys.
    pub scale: f32,
}

/// A text's part of a run, with its cache.
pub struct AttentionSegment<'a> {
    /// New positions, which are the last ones.
    pub new: usize,
    /// Positions with the new ones.
    pub total: usize,
    /// The cache of keys, `[n_heads, capacity, d_head]`; the new ones are written.
    pub keys: &'a mut [F16],
    /// The cache of values, `[n_heads, capacity, d_head]`; the new ones are written.
    pub values: &'a mut [F16],
}

/// Tensors of a run of attention, last axis fastest. `new` is the number of new positions of all texts, which follow
/// one another in the order of the segments.
pub struct AttentionBuffers<'a> {
    /// Queries, keys and values of the new positions, `[new, 3, n_heads, d_head]`.
    pub packed: &'a [f32],
    /// The output, which is written: `[new, n_heads, d_head]`.
    pub output: &'a mut [f32],
    /// Attention weights of a run of one text, which are written if there is room for them: `[n_heads, new, total]`.
    pub weights: Option<&'a mut [f32]>,
}

/// Memory for scores. Layers that run one after the other can share it.
#[derive(Default)]
pub struct AttentionScratch {
    /// Of each text `[n_heads, kept, padded]`
    scores: Vec<f32>,
}

/// Computes causal attention of the new positions of some texts, each over all of its own positions. A position gives
/// the same bits whatever others are run with it.
///
/// # Panics
/// If the sizes do not fit together, or the tensors do not have them.
pub fn attention(
    instructions: Instructions,
    pool: &ThreadPool,
    shape: AttentionShape,
    segments: &mut [AttentionSegment<'_>],
    buffers: AttentionBuffers<'_>,
    scratch: &mut AttentionScratch,
) {
    dispatch!(instructions, |simd| attend(simd, pool, shape, segments, buffers, scratch));
}

fn attend<S: Simd>(
    simd: S,
    pool: &ThreadPool,
    shape: AttentionShape,
    segments: &mut [AttentionSegment<'_>],
    buffers: AttentionBuffers<'_>,
    scratch: &mut AttentionScratch,
) {
    let AttentionShape { n_heads: heads, d_head, scale } = shape;
    let AttentionBuffers { packed, output, weights } = buffers;
    assert!((1..=MAX_D_HEAD).contains(&d_head), "attention: heads of {d_head} numbers");
    let width = heads * d_head;
    let new: usize = segments.iter().map(|segment| segment.new).sum();
    assert_eq!(packed.len(), new * 3 * width, "attention: queries, keys and values");
    assert_eq!(output.len(), new * width, "attention: output");
    let weights = weights.map_or(std::ptr::null_mut(), |weights| {
        let expected = segments.first().map_or(0, |segment| heads * segment.new * segment.total);
        assert!(segments.len() == 1 && weights.len() == expected, "attention: weights of one text");
        weights.as_mut_ptr()
    });

    let runs: Vec<Run> = segments.iter().map(|segment| run(segment, heads, d_head, scale)).collect();
    let needed = runs.iter().map(|run| heads * run.kept() * run.padded).sum::<usize>();
    if scratch.scores.len() < needed {
        scratch.scores.resize(needed.next_power_of_two(), 0.0); // so that it seldom grows
    }
    let (mut packed, mut output, mut scores) = (packed, output, &mut scratch.scores[..]);
    let parts = runs.iter().zip(segments).map(|(run, segment)| {
        // Each text gets a part of its own of what is read and written.
        let rows = packed.split_off(..run.new * 3 * width).unwrap_or_default();
        let outputs = output.split_off_mut(..run.new * width).unwrap_or_default();
        let scores = scores.split_off_mut(..heads * run.kept() * run.padded).unwrap_or_default();
        Memory {
            packed: rows.as_ptr(),
            keys: segment.keys.as_mut_ptr(),
            values: segment.values.as_mut_ptr(),
            output: outputs.as_mut_ptr(),
            weights,
            scores: scores.as_mut_ptr(),
        }
    });
    let parts: Vec<Memory> = parts.collect();
    let texts = parts.len();
    pool.run(heads * texts, |item| {
        let (head, text) = (item / texts, item % texts);
        // SAFETY: the slices, borrowed until all heads are done, have the shapes of `run`, as asserted there and above;
        // texts have parts of their own, and every head of a text is taken once.
        let computed = unsafe { Head::new(&runs[text], &parts[text], head) };
        let (next_head, next_text) = ((item + 1) / texts, (item + 1) % texts);
        computed.before(&runs[next_text], &parts[next_text], next_head).attend(simd);
    });
}

/// The sizes of a text's part.
fn run(segment: &AttentionSegment<'_>, heads: usize, d_head: usize, scale: f32) -> Run {
    let AttentionSegment { new, total, ref keys, ref values } = *segment;
    let capacity = keys.len() / (heads * d_head).max(1);
    assert!(
        new <= total && total <= capacity,
        "attention: {new} new of {total}, room for {capacity} positions"
    );
    assert_eq!([keys.len(), values.len()], [heads * capacity * d_head; 2], "attention: cache");
    Run { heads, d_head, capacity, new, total, padded: total.next_multiple_of(LANES), scale }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_each::on_each;

    /// Attention as it is defined, in 64 bits, of the last `new` of `total` positions: of rows
    /// `[total, 3, heads, d_head]`, outputs `[new, heads, d_head]`.
    fn reference(
        rows: &[f32],
        heads: usize,
        d_head: usize,
        total: usize,
        new: usize,
        scale: f32,
    ) -> Vec<f32> {
        let at = |row: usize, part: usize, head: usize| {
            rows[((row * 3 + part) * heads + head) * d_head..][..d_head].iter().map(|&x| f64::from(x))
        };
        let mut outputs = Vec::new();
        for query in total - new..total {
            for head in 0..heads {
                let scores = (0..=query).map(|key| {
                    let product: f64 = at(query, 0, head).zip(at(key, 1, head)).map(|(q, k)| q * k).sum();
                    (product * f64::from(scale)).exp()
                });
                let scores: Vec<f64> = scores.collect();
                let sum: f64 = scores.iter().sum();
                for i in 0..d_head {
                    let values = (0..=query).map(|key| at(key, 2, head).nth(i).unwrap());
                    let mean: f64 = scores.iter().zip(values).map(|(score, value)| score / sum * value).sum();
                    outputs.push(mean as f32);
                }
            }
        }
        outputs
    }

    /// Runs positions in parts of these lengths; gives the outputs of all.
    fn attended(
        simd: impl Simd,
        rows: &[f32],
        heads: usize,
        d_head: usize,
        parts: &[usize],
        capacity: usize,
    ) -> Vec<f32> {
        let mut keys = vec![NAN; heads * capacity * d_head];
        let mut values = keys.clone();
        let mut outputs = Vec::new();
        let (pool, mut scratch) = (ThreadPool::new(1).unwrap(), AttentionScratch::default());
        let (mut total, width) = (0, heads * d_head);
        for &new in parts {
            total += new;
            let mut output = vec![f32::NAN; new * width];
            let buffers = AttentionBuffers {
                packed: &rows[(total - new) * 3 * width..total * 3 * width],
                output: &mut output,
                weights: None,
            };
            let shape = AttentionShape { n_heads: heads, d_head, scale: 0.3 };
            let segment = AttentionSegment { new, total, keys: &mut keys, values: &mut values };
            attend(simd, &pool, shape, &mut [segment], buffers, &mut scratch);
            outputs.extend(output);
        }
        outputs
    }

    const NAN: F16 = 0x7E00;

    /// A number that half precision has: between -2.2 and 2.2, a multiple of 1/256.
    fn number(i: usize) -> f32 {
        ((i as u32).wrapping_mul(2_654_435_761) as i32 as f32 / 1e9 * 256.0).round() / 256.0
    }

    /// All widths of a head, whole registers and not; and in whatever parts positions are run, the same
    /// bits: a row gives alone what it gives among others.
    fn equals_the_definition_however_positions_are_run(simd: impl Simd) -> Vec<u32> {
        let (heads, total) = (2, 75);
        let mut bits = Vec::new();
        for d_head in [8, 16, 24, 40, 64, 72, 96, 104, 128] {
            let numbers = total * 3 * heads * d_head;
            let rows: Vec<f32> = (0..numbers).map(number).collect();
            let attended =
                |parts: &[usize], capacity: usize| attended(simd, &rows, heads, d_head, parts, capacity);
            let whole = attended(&[total], 80);
            let expected = reference(&rows, heads, d_head, total, total, 0.3);
            for (found, expected) in whole.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "d_head {d_head}: {found} != {expected}");
            }
            assert_eq!(whole, attended(&[1; 75], 80));
            assert_eq!(whole, attended(&[33, 2, 7, 32, 1], 75));
            bits.extend(whole.into_iter().map(f32::to_bits));
        }
        bits
    }
    on_each!(equals_the_definition_however_positions_are_run);

    /// Texts of different lengths, with caches of different sizes, one of which adds many positions: each gets in a
    /// run with the others, on several threads, the bits that it gets alone.
    fn texts_at_once_get_the_bits_of_each_alone(simd: impl Simd) -> Vec<u32> {
        let (heads, d_head) = (3, 24);
        let width = heads * d_head;
        let texts = [(40, 1, 64), (75, 33, 80), (1, 1, 16), (17, 6, 17), (32, 32, 64)]; // total, new, capacity
        let rows = |text: usize, total: usize| -> Vec<f32> {
            (0..total * 3 * width).map(|i| number(i + 1000 * text)).collect()
        };
        let mut expected = Vec::new();
        let (mut caches, mut packed) = (Vec::new(), Vec::new());
        for (text, &(total, new, capacity)) in texts.iter().enumerate() {
            let rows = rows(text, total);
            let parts: &[usize] = if total > new { &[total - new, new] } else { &[new] };
            let outputs = attended(simd, &rows, heads, d_head, parts, capacity);
            expected.extend_from_slice(&outputs[(total - new) * width..]);
            let mut cache = [vec![NAN; capacity * width], vec![NAN; capacity * width]];
            for (part, cache) in cache.iter_mut().enumerate() {
                for (position, head) in (0..total - new).flat_map(|p| (0..heads).map(move |head| (p, head))) {
                    let row = &rows[((position * 3 + 1 + part) * heads + head) * d_head..][..d_head];
                    let cached = &mut cache[(head * capacity + position) * d_head..][..d_head];
                    for (row, cached) in row.chunks(LANES).zip(cached.chunks_mut(LANES)) {
                        // SAFETY: there is room for as many numbers.
                        unsafe { simd.store_f16(cached.as_mut_ptr(), row.len(), simd.load(row)) };
                    }
                }
            }
            caches.push(cache);
            packed.extend_from_slice(&rows[(total - new) * 3 * width..]);
        }
        let mut segments: Vec<AttentionSegment<'_>> = caches
            .iter_mut()
            .zip(texts)
            .map(|([keys, values], (total, new, _))| AttentionSegment { new, total, keys, values })
            .collect();
        let mut output = vec![f32::NAN; expected.len()];
        let buffers = AttentionBuffers { packed: &packed, output: &mut output, weights: None };
        let shape = AttentionShape { n_heads: heads, d_head, scale: 0.3 };
        let pool = ThreadPool::new(3).unwrap();
        attend(simd, &pool, shape, &mut segments, buffers, &mut AttentionScratch::default());
        assert_eq!(output, expected);
        output.into_iter().map(f32::to_bits).collect()
    }
    on_each!(texts_at_once_get_the_bits_of_each_alone);

    /// Attention weights sum to 1 over the positions up to a query's own, and are 0 after it; the outputs are the
    /// means of the values that they weigh.
    #[test]
    fn weights_are_given_to_those_who_ask() {
        let Some(instructions) = Instructions::detect() else { return };
        let shape = AttentionShape { n_heads: 2, d_head: 8, scale: 0.3 };
        let rows: Vec<f32> = (0..37 * 3 * 16).map(number).collect();
        let (mut keys, mut values) = (vec![0; 2 * 40 * 8], vec![0; 2 * 40 * 8]);
        let (mut output, mut weights) = (vec![f32::NAN; 37 * 16], vec![f32::NAN; 2 * 37 * 37]);
        let buffers = AttentionBuffers { packed: &rows, output: &mut output, weights: Some(&mut weights) };
        let segment = AttentionSegment { new: 37, total: 37, keys: &mut keys, values: &mut values };
        let pool = ThreadPool::new(2).unwrap();
        attention(instructions, &pool, shape, &mut [segment], buffers, &mut AttentionScratch::default());
        for (row, weights) in weights.chunks(37).enumerate() {
            let (head, query) = (row / 37, row % 37);
            assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            assert!(weights[query + 1..].iter().all(|&weight| weight == 0.0));
            for i in 0..8 {
                let mean: f32 =
                    (0..37).map(|key| weights[key] * rows[(key * 3 + 2) * 16 + head * 8 + i]).sum();
                assert!((output[query * 16 + head * 8 + i] - mean).abs() < 1e-5);
            }
        }
    }

    /// By hand: a text of one position has its value as output, in half precision. 1/3 is 0x3555 there, or 1365/4096; what
    /// is too large becomes 65,504, and NaN stays.
    fn values_are_rounded_to_half_precision(simd: impl Simd) {
        let mut packed = [0.0; 3 * 5];
        packed[2 * 5..].copy_from_slice(&[1.0 / 3.0, 1e9, -1e9, f32::NAN, -0.5]);
        let (mut keys, mut values, mut output) = ([NAN; 5], [NAN; 5], [0.0; 5]);
        let buffers = AttentionBuffers { packed: &packed, output: &mut output, weights: None };
        let segment = AttentionSegment { new: 1, total: 1, keys: &mut keys, values: &mut values };
        let shape = AttentionShape { n_heads: 1, d_head: 5, scale: 1.0 };
        let pool = ThreadPool::new(1).unwrap();
        attend(simd, &pool, shape, &mut [segment], buffers, &mut AttentionScratch::default());
        assert_eq!(values[..3], [0x3555, 0x7BFF, 0xFBFF]);
        assert_eq!((output[..3].to_vec(), output[4]), (vec![1365.0 / 4096.0, 65_504.0, -65_504.0], -0.5));
        assert!(output[3].is_nan());
    }
    on_each!(values_are_rounded_to_half_precision);

    #[test]
    #[should_panic(expected = "room for 3 positions")]
    fn more_positions_than_there_is_room_for_are_refused() {
        let Some(instructions) = Instructions::detect() else { panic!("room for 3 positions: no AVX2 here") };
        let shape = AttentionShape { n_heads: 1, d_head: 8, scale: 1.0 };
        let (mut keys, mut values, mut output) = ([0; 24], [0; 24], [0.0; 8]);
        let buffers = AttentionBuffers { packed: &[0.0; 24], output: &mut output, weights: None };
        let segment = AttentionSegment { new: 1, total: 4, keys: &mut keys, values: &mut values };
        let pool = ThreadPool::new(1).unwrap();
        attention(instructions, &pool, shape, &mut [segment], buffers, &mut AttentionScratch::default());
    }
}
