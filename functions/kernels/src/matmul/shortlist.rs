//! Shortlist of an output head: exact logits for the likeliest tokens only.
//!
//! With int4 weights elsewhere, half of the bytes that decoding a token would read are the head's, which has 8
//! bits. It is read in two passes instead. The first takes every column, with weights rounded from 8 bits to 4; the
//! second takes the likeliest columns of each row again, with the weights as they are. Their logits are, to the
//! bit, those of a pass over all weights of 8 bits. The others, which at usual temperatures share what little
//! probability is left, keep those of 4 bits.

use super::activations::Activations;
use super::format::{Format, STRIP};
use super::output::Output;
use super::weights::PackedWeights;
use crate::simd::{LANES, Line, Simd, prefetch};

/// Strips of columns that give at least one column each to the shortlist of a row.
const SIZE: usize = 128;
/// Bytes of a cache line.
const LINE: usize = 64;

/// A head's int8 weights as they are stored, column by column: not laid out again, since each row reads few of them.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    format: Format,
    /// `[d_out, blocks, block_size]`
    weights: &'a [u8],
    /// `[d_out, blocks]`
    scales: &'a [f32],
    /// `[d_out]`, filled up to whole lines
    bias: &'a [Line<f32>],
}

impl<'a> Columns<'a> {
    /// # Panics
    /// If the lengths are not those of `format`.
    pub(crate) fn new(
        format: Format,
        PackedWeights { weights, scales }: PackedWeights<'a>,
        bias: &'a [Line<f32>],
    ) -> Self {
        let columns = [weights.len() / format.padded(), scales.len() / format.blocks(), bias.len() * LANES];
        assert!(columns.iter().all(|&columns| columns >= format.d_out), "columns of an output head");
        Self { format, weights, scales, bias }
    }

    /// Asks for a column, which may lie anywhere in memory.
    #[inline(always)]
    pub(crate) fn prefetch(self, column: usize) {
        let length = self.format.padded();
        let weights = &self.weights[column * length..][..length];
        let starts = weights.iter().step_by(LINE);
        starts.chain(weights.last()).for_each(|byte| prefetch(byte));
        prefetch(&self.scales[column * self.format.blocks()]);
    }

    /// A row of activations times a column, as [`multiply`](super::multiply::multiply) does it: the products of a
    /// block are summed up as integers, and the sums of the blocks as floats in their order.
    #[inline(always)]
    pub(crate) fn product<S: Simd>(
        self,
        simd: S,
        activations: &Activations,
        row: usize,
        column: usize,
    ) -> f32 {
        let Self { format, weights, scales, bias } = self;
        let (blocks, words, block_size) = (format.blocks(), format.words(), format.block_size);
        let mut sum = bias[column / LANES].0[column % LANES];
        for block in 0..blocks {
            let of_row = row * blocks + block;
            let groups = &activations.groups[of_row * words..][..words];
            let block = column * blocks + block;
            let product = simd.dot(&weights[block * block_size..][..block_size], groups);
            let integer = product.wrapping_add(activations.offsets[of_row]);
            sum = (integer as f32).mul_add(scales[block] * activations.scales[of_row], sum);
        }
        sum
    }
}

/// Columns to be taken again.
#[derive(Default)]
pub(crate) struct Shortlist {
    /// Rows and columns.
    pub(crate) places: Vec<(u32, u32)>,
    /// The largest logit of each strip, `[rows, strips]`.
    largest: Vec<f32>,
    /// Those of a row, in another order.
    ordered: Vec<f32>,
}

impl Shortlist {
    /// Whether a head has many more columns than a shortlist.
    pub(crate) fn is_worth_it(format: Format) -> bool {
        format.bits == 8 && format.strips() >= 8 * SIZE
    }

    /// Memory for the [largest](largest_of) logit of each strip, `[rows, strips]`, which the first pass writes.
    pub(crate) fn largest(&mut self, rows: usize, strips: usize) -> Output<'_> {
        self.largest.resize(rows * strips, 0.0);
        Output::new(&mut self.largest, rows, strips)
    }

    /// [`choose`](Self::choose), compiled to the instructions of `simd`.
    pub(crate) fn choose_with<S: Simd>(&mut self, simd: S, logits: &[f32], columns: usize) {
        simd.vectorize(
            #[inline(always)]
            || self.choose(simd, logits, columns),
        );
    }

    /// Makes the list for the logits of a first pass, `[rows, columns]`: in each row, all that are as large
    /// as the largest of the 128th best strip, and so the 128 largest among them. Other rows have no say in that.
    #[inline(always)]
    fn choose<S: Simd>(&mut self, simd: S, logits: &[f32], columns: usize) {
        self.places.clear();
        let rows = logits.chunks_exact(columns).zip(self.largest.chunks_exact(columns.div_ceil(STRIP)));
        for (row, (logits, largest)) in rows.enumerate() {
            self.ordered.clear();
            self.ordered.extend_from_slice(largest);
            let (_, &mut least, _) = self.ordered.select_nth_unstable_by(SIZE - 1, |a, b| b.total_cmp(a));
            let strips = largest.iter().enumerate().filter(|(_, largest)| **largest >= least);
            for (strip, _) in strips {
                let column = strip * STRIP;
                let mut chosen = 0_u32;
                for (line, logits) in logits[column..].chunks(LANES).take(STRIP / LANES).enumerate() {
                    let lanes = simd.first_of(logits.len(), simd.load(logits), simd.splat(f32::NAN));
                    chosen |= u32::from(simd.at_least(lanes, least)) << (line * LANES);
                }
                while chosen != 0 {
                    self.places.push((row as u32, column as u32 + chosen.trailing_zeros()));
                    chosen &= chosen - 1;
                }
            }
        }
    }
}

/// The largest of some logits; NaN does not count.
#[inline(always)]
pub(crate) fn largest_of<S: Simd>(simd: S, logits: &[f32]) -> f32 {
    let mut largest = simd.splat(f32::NEG_INFINITY);
    for logits in logits.chunks(LANES) {
        // The filling of the last register cannot win. Of two operands the second is taken if one is NaN.
        largest = simd.max(simd.first_of(logits.len(), simd.load(logits), largest), largest);
    }
    simd.greatest(largest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_each::on_each;

    /// The rule itself, by sorting: 513 strips, the last of one column.
    fn has_the_columns_as_large_as_the_128th_best_strip(simd: impl Simd) {
        let (rows, columns) = (3, 4 * SIZE * STRIP + 1);
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 - 8e6 // of both signs
        };
        let mut logits: Vec<f32> = (0..rows * columns).map(|_| random()).collect();
        logits[columns - 1] = 9e6; // the best of its row, alone in its strip
        let mut shortlist = Shortlist::default();
        let strips = columns.div_ceil(STRIP);
        let output = shortlist.largest(rows, strips);
        for (row, logits) in logits.chunks(columns).enumerate() {
            for (strip, logits) in logits.chunks(STRIP).enumerate() {
                // SAFETY: one thread writes, and nobody reads meanwhile.
                unsafe { output.set(row, strip, largest_of(simd, logits)) };
            }
        }
        shortlist.choose(simd, &logits, columns);

        let mut expected = Vec::new();
        for (row, logits) in logits.chunks(columns).enumerate() {
            let mut best: Vec<f32> =
                logits.chunks(STRIP).map(|strip| strip.iter().copied().fold(f32::MIN, f32::max)).collect();
            best.sort_by(|a, b| b.total_cmp(a));
            let large = (0..columns).filter(|&column| logits[column] >= best[SIZE - 1]);
            expected.extend(large.map(|column| (row as u32, column as u32)));
        }
        assert_eq!(shortlist.places, expected);
        assert!(shortlist.places.contains(&(0, columns as u32 - 1)));
        assert!((3 * SIZE..6 * SIZE).contains(&expected.len()), "{}", expected.len());
    }
    on_each!(has_the_columns_as_large_as_the_128th_best_strip);

    /// NaN is on no list, and hides no neighbour: neither in another lane nor in its own.
    fn no_numbers_do_not_count(simd: impl Simd) {
        let mut strip = [1.0; STRIP];
        strip[3] = 2.0;
        strip[3 + LANES] = f32::NAN;
        strip[7] = f32::NAN;
        assert_eq!(largest_of(simd, &strip), 2.0);
        assert_eq!(largest_of(simd, &[f32::NAN; STRIP]), f32::NEG_INFINITY);
        assert_eq!(largest_of(simd, &[-3.0]), -3.0);
    }
    on_each!(no_numbers_do_not_count);

    /// No logit is better than another: all are taken again.
    fn equal_logits_are_all_on_the_list(simd: impl Simd) {
        let columns = 4 * SIZE * STRIP;
        let mut shortlist = Shortlist::default();
        shortlist.largest(1, columns / STRIP);
        shortlist.choose(simd, &vec![0.0; columns], columns);
        assert_eq!(shortlist.places.len(), columns);
    }
    on_each!(equal_logits_are_all_on_the_list);
}
