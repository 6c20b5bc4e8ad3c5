//! `GroupQueryAttention`: causal attention over keys and values that are kept from run to run.
//!
//! New keys and values are written behind those that are there, in place. Each query then looks at the
//! positions up to its own: scores of 16 keys at a time, their softmax, and the mean of the values. A
//! block of keys or values that has been read serves all queries of the run before the next is read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ort::Error;
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput};
use ort::value::TensorElementType;

use super::context::{Tensor, has_input};
use super::math::exp;
use super::simd::{LANES, Simd, prefetch_soon};
use super::team::Team;

/// The widest head: its numbers fill eight registers.
pub(super) const MAX_D_HEAD: usize = 128;
/// Queries whose scores are kept at a time.
const QUERIES: usize = 32;

pub(super) struct GroupQueryAttention<S> {
    simd: S,
    team: Arc<Team>,
    /// Layers run one after the other: they share this memory.
    scores: Arc<Mutex<Vec<f32>>>,
    /// Whether somebody asks for the weights.
    inspected: Arc<AtomicBool>,
}

impl<S> GroupQueryAttention<S> {
    pub(super) fn new(simd: S, team: Arc<Team>, inspected: Arc<AtomicBool>) -> Self {
        Self { simd, team, scores: Arc::default(), inspected }
    }
}

impl<S: Simd> Operator for GroupQueryAttention<S> {
    type Kernel<'attr> = Attention<S>;

    fn name(&self) -> &str {
        "GroupQueryAttention"
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [
            OperatorInput::required(TensorElementType::Float32), // queries, keys and values
            OperatorInput::optional(TensorElementType::Float32), // keys
            OperatorInput::optional(TensorElementType::Float32), // values
            OperatorInput::optional(TensorElementType::Float32), // past keys
            OperatorInput::optional(TensorElementType::Float32), // past values
            OperatorInput::required(TensorElementType::Int32),   // positions, less one, of each text
            OperatorInput::required(TensorElementType::Int32),   // positions
        ]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [
            OperatorOutput::required(TensorElementType::Float32),
            OperatorOutput::required(TensorElementType::Float32), // keys
            OperatorOutput::required(TensorElementType::Float32), // values
            OperatorOutput::optional(TensorElementType::Float32), // weights
        ]
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Attention<S>> {
        let attribute = |name: &str| context.get::<i64>(name);
        let heads = attribute("num_heads").and_then(|heads| usize::try_from(heads).ok()).unwrap_or(0);
        let plain = attribute("kv_num_heads") == Some(heads as i64)
            && attribute("do_rotary").unwrap_or(0) == 0
            && attribute("local_window_size").unwrap_or(-1) == -1
            && attribute("smooth_softmax").unwrap_or(0) == 0
            && matches!(attribute("qk_output").unwrap_or(0), 0 | 2) // no weights, or those after softmax
            && context.get::<f32>("softcap").unwrap_or(0.0) == 0.0;
        let packed = !has_input(context, 1)? && !has_input(context, 2)?;
        let keeps = has_input(context, 3)? && has_input(context, 4)?;
        let scale = context.get::<f32>("scale").filter(|&scale| scale > 0.0);
        let (true, Some(scale)) = (heads > 0 && plain && packed && keeps, scale) else {
            return Err(Error::new(
                "GroupQueryAttention: expected queries, keys and values in one input, past ones, as many heads \
                 of keys as of queries, a `scale`, and nothing else",
            ));
        };
        let (scores, inspected) = (Arc::clone(&self.scores), Arc::clone(&self.inspected));
        let (simd, team) = (self.simd, Arc::clone(&self.team));
        Ok(Attention { simd, heads, scale, team, scores, inspected })
    }
}

pub(super) struct Attention<S> {
    simd: S,
    heads: usize,
    scale: f32,
    team: Arc<Team>,
    scores: Arc<Mutex<Vec<f32>>>,
    inspected: Arc<AtomicBool>,
}

impl<S: Simd> Kernel for Attention<S> {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let packed = Tensor::<f32>::input(context, 0)?;
        let [past_keys, past_values] = [3, 4].map(|index| Tensor::<f32>::input(context, index));
        let (past_keys, past_values) = (past_keys?, past_values?);
        let total = Tensor::<i32>::input(context, 6)?;
        // SAFETY: inputs do not change while an operator runs; those that do are not borrowed.
        let (packed_numbers, total) = unsafe { (packed.numbers(), total.numbers()) };

        let wrong = |what: String| Err(Error::new(format!("GroupQueryAttention: {what}")));
        let (&[1, new, width], &[1, heads, capacity, d_head]) = (packed.shape, past_keys.shape) else {
            let (packed, past) = (packed.shape, past_keys.shape);
            return wrong(format!("expected one text, found queries {packed:?} and past keys {past:?}"));
        };
        let (new, width, capacity, d_head) =
            (new as usize, width as usize, capacity as usize, d_head as usize);
        let fits = heads as usize == self.heads && d_head <= MAX_D_HEAD && width == 3 * self.heads * d_head;
        if !fits || past_values.shape != past_keys.shape {
            let (packed, keys, values) = (packed.shape, past_keys.shape, past_values.shape);
            return wrong(format!("queries {packed:?}, past keys {keys:?} and values {values:?} do not fit"));
        }
        let total = total.first().map_or(0, |&total| total.max(0) as usize);
        if total < new || total > capacity {
            return wrong(format!("expected {new} to {capacity} positions, found {total}"));
        }

        let keys = Tensor::<f32>::output(context, 1, past_keys.shape)?;
        let values = Tensor::<f32>::output(context, 2, past_keys.shape)?;
        for (past, present) in [(&past_keys, &keys), (&past_values, &values)] {
            if past.start != present.start {
                // SAFETY: both have this shape, and they are different memory.
                unsafe { std::ptr::copy_nonoverlapping(past.start, present.start, past.len()) };
            }
        }
        let output = Tensor::<f32>::output(context, 0, &[1, new as i64, (self.heads * d_head) as i64])?;
        let weights = if self.inspected.load(Ordering::Relaxed) {
            let shape = [1, self.heads as i64, new as i64, total as i64];
            Some(Tensor::<f32>::output(context, 3, &shape)?)
        } else {
            None
        };
        let padded = total.next_multiple_of(LANES);
        let mut scores = self.scores.lock().unwrap_or_else(PoisonError::into_inner);
        if scores.len() < self.heads * QUERIES * padded {
            // For the whole context at once, so that it need not grow again.
            scores.resize(self.heads * QUERIES * capacity.next_multiple_of(LANES), 0.0);
        }
        let memory = Memory {
            packed: packed_numbers.as_ptr(),
            keys: keys.start,
            values: values.start,
            output: output.start,
            weights: weights.map_or(std::ptr::null_mut(), |weights| weights.start),
            scores: scores.as_mut_ptr(),
        };
        let run = Run { heads: self.heads, d_head, capacity, new, total, padded, scale: self.scale };
        self.team.run(self.heads, |head| {
            // SAFETY: the memory has the shapes of `run`, which have been checked; every head is taken once.
            unsafe { attend(self.simd, &run, &memory, head) };
        });
        Ok(())
    }
}

/// The sizes of a run.
#[derive(Clone, Copy)]
struct Run {
    heads: usize,
    d_head: usize,
    /// Positions that keys and values have room for.
    capacity: usize,
    /// New positions, which are the last ones.
    new: usize,
    total: usize,
    /// `total`, filled up to whole registers.
    padded: usize,
    scale: f32,
}

/// What all heads read and write, each its own part.
struct Memory {
    /// `[new, 3, heads, d_head]`: queries, keys, values
    packed: *const f32,
    /// `[heads, capacity, d_head]`
    keys: *mut f32,
    /// `[heads, capacity, d_head]`
    values: *mut f32,
    /// `[new, heads, d_head]`
    output: *mut f32,
    /// `[heads, new, total]`, or null
    weights: *mut f32,
    /// `[heads, QUERIES, padded]`
    scores: *mut f32,
}

// SAFETY: `attend` writes what belongs to its head alone, and its callers give every head to one task.
unsafe impl Sync for Memory {}

/// One head.
///
/// # Safety
/// The memory must have the shapes of `run`, with `head < heads` and `d_head <= MAX_D_HEAD`; nothing else
/// may read or write what belongs to this head.
unsafe fn attend<S: Simd>(simd: S, run: &Run, memory: &Memory, head: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        match run.d_head.div_ceil(LANES) {
            1 => simd.vectorize(
                #[inline(always)]
                || attend_wide::<S, 1>(simd, run, memory, head),
            ),
            2 => simd.vectorize(
                #[inline(always)]
                || attend_wide::<S, 2>(simd, run, memory, head),
            ),
            3 => simd.vectorize(
                #[inline(always)]
                || attend_wide::<S, 3>(simd, run, memory, head),
            ),
            4 => simd.vectorize(
                #[inline(always)]
                || attend_wide::<S, 4>(simd, run, memory, head),
            ),
            5 => simd.vectorize(
                #[inline(always)]
                || attend_wide::<S, 5>(simd, run, memory, head),
            ),
            6 => simd.vectorize(
                #[inline(always)]
                || attend_wide::<S, 6>(simd, run, memory, head),
            ),
            7 => simd.vectorize(
                #[inline(always)]
                || attend_wide::<S, 7>(simd, run, memory, head),
            ),
            _ => simd.vectorize(
                #[inline(always)]
                || attend_wide::<S, 8>(simd, run, memory, head),
            ),
        }
    }
}

/// One head that takes `WIDTH` registers.
///
/// # Safety
/// As of [`attend`].
#[inline(always)]
unsafe fn attend_wide<S: Simd, const WIDTH: usize>(simd: S, run: &Run, memory: &Memory, head: usize) {
    let Run { heads, d_head, capacity, new, total, padded, scale } = *run;
    let past = total - new;
    // SAFETY: pointers stay within their tensors: rows below `new`, positions below `total`, this head.
    unsafe {
        let row = |row: usize, part: usize| memory.packed.add(((row * 3 + part) * heads + head) * d_head);
        let keys = memory.keys.add(head * capacity * d_head);
        let values = memory.values.add(head * capacity * d_head);
        let scores = memory.scores.add(head * QUERIES * padded);
        for new_row in 0..new {
            keys.add((past + new_row) * d_head).copy_from_nonoverlapping(row(new_row, 1), d_head);
            values.add((past + new_row) * d_head).copy_from_nonoverlapping(row(new_row, 2), d_head);
        }
        let next_keys = keys.wrapping_add(capacity * d_head);
        for start in (0..new).step_by(QUERIES) {
            let end = new.min(start + QUERIES);
            ask_for(values, (past + end) * d_head);
            for block in (0..past + end).step_by(LANES) {
                for query in start.max(block.saturating_sub(past))..end {
                    let count = LANES.min(past + query + 1 - block);
                    let (query_row, keys) = (row(query, 0), keys.add(block * d_head));
                    let products = products::<S, WIDTH>(simd, query_row, keys, count, d_head);
                    let place = scores.add((query - start) * padded + block);
                    simd.store_first(place, LANES, simd.mul(products, simd.splat(scale)));
                }
            }
            ask_for(next_keys, (past + end) * d_head);
            let mut inverse_sums = [0.0; QUERIES];
            for query in start..end {
                let seen = past + query + 1;
                let scores = std::slice::from_raw_parts_mut(scores.add((query - start) * padded), seen);
                let inverse_sum = 1.0 / powers(simd, scores);
                inverse_sums[query - start] = inverse_sum;
                if !memory.weights.is_null() {
                    let weights = memory.weights.add((head * new + query) * total);
                    let weights = std::slice::from_raw_parts_mut(weights, total);
                    weights
                        .iter_mut()
                        .zip(&*scores)
                        .for_each(|(weight, power)| *weight = power * inverse_sum);
                    weights[seen..].fill(0.0);
                }
            }
            let mut sums = [[simd.splat(0.0); WIDTH]; QUERIES];
            for block in (0..past + end).step_by(LANES) {
                for query in start.max(block.saturating_sub(past))..end {
                    let weights = scores.add((query - start) * padded + block);
                    let (values, count) = (values.add(block * d_head), LANES.min(past + query + 1 - block));
                    add_block(simd, &mut sums[query - start], weights, values, count, d_head);
                }
            }
            for query in start..end {
                let output = memory.output.add((query * heads + head) * d_head);
                let inverse_sum = simd.splat(inverse_sums[query - start]);
                for (part, sum) in sums[query - start].iter().enumerate() {
                    let count = LANES.min(d_head - part * LANES);
                    simd.store_first(output.add(part * LANES), count, simd.mul(*sum, inverse_sum));
                }
            }
        }
    }
}

/// Asks for `count` numbers, which are needed soon: after the weights of all layers, none is in a cache.
#[inline(always)]
fn ask_for(start: *const f32, count: usize) {
    (0..count).step_by(LANES).for_each(|i| prefetch_soon(start.wrapping_add(i)));
}

/// Products of a query with `count` keys, at least one, in the first lanes; the others are not defined.
///
/// # Safety
/// The query and the keys must have `d_head` numbers each, which `WIDTH` registers hold.
#[inline(always)]
unsafe fn products<S: Simd, const WIDTH: usize>(
    simd: S,
    query: *const f32,
    keys: *const f32,
    count: usize,
    d_head: usize,
) -> S::Floats {
    // SAFETY: as the caller promises.
    let query = unsafe { row::<S, WIDTH>(simd, query, d_head) };
    let mut sums = [simd.splat(0.0); 4];
    for (quarter, sums) in sums.iter_mut().enumerate() {
        let mut products = [simd.splat(0.0); 4];
        for (lane, product) in products.iter_mut().enumerate() {
            // All lanes have a key, so that all products are under way at once.
            let position = (quarter * 4 + lane).min(count - 1);
            // SAFETY: as above.
            let key = unsafe { row::<S, WIDTH>(simd, keys.add(position * d_head), d_head) };
            for part in 0..WIDTH {
                *product = simd.mul_add(query[part], key[part], *product);
            }
        }
        *sums = simd.sums_of_quarters(products);
    }
    simd.sums_across_quarters(sums)
}

/// Replaces scores by powers of e, the greatest by 1; gives their sum.
#[inline(always)]
fn powers<S: Simd>(simd: S, scores: &mut [f32]) -> f32 {
    let greatest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (greatest, zeros) = (simd.splat(greatest), simd.splat(0.0));
    let mut sum = zeros;
    for scores in scores.chunks_mut(LANES) {
        let power = exp(simd, simd.sub(simd.load(scores), greatest));
        sum = simd.add(sum, simd.first_of(scores.len(), power, zeros));
        simd.store(scores, power);
    }
    simd.sum(sum)
}

/// Adds `count` values to `sums`, each times its weight.
///
/// # Safety
/// There must be as many weights, and values of `d_head` numbers each, which `WIDTH` registers hold.
#[inline(always)]
unsafe fn add_block<S: Simd, const WIDTH: usize>(
    simd: S,
    sums: &mut [S::Floats; WIDTH],
    weights: *const f32,
    values: *const f32,
    count: usize,
    d_head: usize,
) {
    // Two sums, since one alone would wait for each addition.
    let (mut even, mut odd) = (*sums, [simd.splat(0.0); WIDTH]);
    let mut position = 0;
    while position < count {
        // SAFETY: as the caller promises.
        unsafe { add_value(simd, &mut even, weights, values, position, d_head) };
        if position + 1 < count {
            // SAFETY: as above.
            unsafe { add_value(simd, &mut odd, weights, values, position + 1, d_head) };
        }
        position += 2;
    }
    for part in 0..WIDTH {
        sums[part] = simd.add(even[part], odd[part]);
    }
}

/// Adds the value at `position`, times its weight.
///
/// # Safety
/// It must be there, as of [`add_block`].
#[inline(always)]
unsafe fn add_value<S: Simd, const WIDTH: usize>(
    simd: S,
    sums: &mut [S::Floats; WIDTH],
    weights: *const f32,
    values: *const f32,
    position: usize,
    d_head: usize,
) {
    // SAFETY: as the caller promises.
    let (weight, value) = unsafe {
        (simd.splat(*weights.add(position)), row::<S, WIDTH>(simd, values.add(position * d_head), d_head))
    };
    for part in 0..WIDTH {
        sums[part] = simd.mul_add(weight, value[part], sums[part]);
    }
}

/// `d_head` numbers, filled up with zeros.
///
/// # Safety
/// They must be there, and fit into `WIDTH` registers but not fewer.
#[inline(always)]
unsafe fn row<S: Simd, const WIDTH: usize>(simd: S, start: *const f32, d_head: usize) -> [S::Floats; WIDTH] {
    let mut row = [simd.splat(0.0); WIDTH];
    for (part, numbers) in row.iter_mut().enumerate() {
        let count = LANES.min(d_head - part * LANES);
        // SAFETY: so many are left.
        *numbers = unsafe { simd.load_first(start.add(part * LANES), count) };
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::on_each;

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
        let mut keys = vec![f32::NAN; heads * capacity * d_head];
        let mut values = keys.clone();
        let mut outputs = Vec::new();
        let (mut total, width) = (0, heads * d_head);
        for &new in parts {
            total += new;
            let padded = total.next_multiple_of(LANES);
            let mut scores = vec![f32::NAN; heads * QUERIES * padded];
            let mut output = vec![f32::NAN; new * width];
            let packed = &rows[(total - new) * 3 * width..total * 3 * width];
            let memory = Memory {
                packed: packed.as_ptr(),
                keys: keys.as_mut_ptr(),
                values: values.as_mut_ptr(),
                output: output.as_mut_ptr(),
                weights: std::ptr::null_mut(),
                scores: scores.as_mut_ptr(),
            };
            let run = Run { heads, d_head, capacity, new, total, padded, scale: 0.3 };
            for head in 0..heads {
                // SAFETY: everything has the shapes of `run`.
                unsafe { attend(simd, &run, &memory, head) };
            }
            outputs.extend(output);
        }
        outputs
    }

    /// All widths of a head, whole registers and not; and in whatever parts positions are run, the same
    /// bits: a row gives alone what it gives among others.
    fn equals_the_definition_however_positions_are_run(simd: impl Simd) -> Vec<u32> {
        let (heads, total) = (2, 75);
        let mut bits = Vec::new();
        for d_head in [8, 16, 24, 40, 64, 72, 96, 104, 128] {
            let numbers = total * 3 * heads * d_head;
            let rows: Vec<f32> =
                (0..numbers as u32).map(|i| (i.wrapping_mul(2_654_435_761) as i32) as f32 / 1e9).collect();
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
}
