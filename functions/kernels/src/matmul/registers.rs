//! Matrix product in SIMD registers: up to 8 rows at once times a panel of int4 or int8 weights.

use super::activations::Activations;
use super::output::Output;
use super::weights::Weights;
use crate::simd::{Simd, prefetch};

/// Distance of the prefetched weights, in lines.
const PREFETCH: usize = 32;

/// The beginning of a tile.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) panel: usize,
    pub(super) row: usize,
}

/// So many rows, from 1 to 8, times a panel of weights.
///
/// # Safety
/// `activations.groups` must have groups of rows up to `place.row + rows`, and no other task may read or write these
/// columns of `output` at the same time.
#[inline(always)]
pub(super) unsafe fn tile_of_rows<S: Simd, const BITS: usize, const LINES: usize>(
    simd: S,
    weights: &Weights,
    activations: &Activations,
    place: Place,
    rows: usize,
    output: &Output<'_>,
) {
    /// A tile for each number of rows.
    macro_rules! tile_of {
        ($($count:literal)*) => {
            match rows {
                $($count => {
                    simd.vectorize(
                        #[inline(always)]
                        // SAFETY: the tile has `rows` rows, of which the caller says that their groups are there; and
                        // the caller keeps other tasks away from these columns.
                        || unsafe { tile::<S, BITS, LINES, $count>(simd, weights, activations, place, output) },
                    );
                })*
                _ => panic!("a tile of {rows} rows"),
            }
        };
    }
    tile_of!(1 2 3 4 5 6 7 8);
}

/// `ROWS` rows times a panel of `LINES` lines of weights of `BITS` bits.
///
/// # Safety
/// `activations.groups` must have groups of rows up to `first_row + ROWS`, and no other task may read or write these
/// columns of `output` at the same time.
#[inline(always)]
unsafe fn tile<S: Simd, const BITS: usize, const LINES: usize, const ROWS: usize>(
    simd: S,
    weights: &Weights,
    activations: &Activations,
    Place { panel, row: first_row }: Place,
    output: &Output<'_>,
) {
    let (blocks, words) = (weights.format.blocks(), weights.format.words());
    let zeros = simd.splat_integer(0);
    let mut sums = [[simd.splat(0.0); LINES]; ROWS];
    for line in 0..LINES {
        let bias = simd.load_line(&weights.bias[panel * LINES + line]);
        for sums in &mut sums {
            sums[line] = bias;
        }
    }
    for block in 0..blocks {
        let mut totals = [[zeros; LINES]; ROWS];
        for (row, totals) in totals.iter_mut().enumerate() {
            *totals = [simd.splat_integer(activations.offsets[(first_row + row) * blocks + block]); LINES];
        }
        let first_word = block * words;
        let lines = &weights.lines[(panel * blocks * words + first_word) * LINES..][..words * LINES];
        let (lines, _) = lines.as_chunks::<LINES>();
        let words_of_part = if BITS == 4 { S::WORDS.min(words) } else { words };
        for (part, lines) in lines.chunks(words_of_part).enumerate() {
            let first_word = first_word + part * words_of_part;
            let mut partial = [[zeros; LINES]; ROWS];
            // With few rows, one sum after the other may wait for the multiplier: second halves have theirs.
            let mut second_partial = [[zeros; LINES]; ROWS];
            for (word, lines) in lines.iter().enumerate() {
                let mut weights = [[zeros; LINES]; 2];
                for line in 0..LINES {
                    prefetch(lines.as_ptr().wrapping_add(PREFETCH + line));
                    let [first, second] = simd.unpack::<BITS>(simd.load_words(&lines[line]));
                    weights[0][line] = first;
                    weights[1][line] = second;
                }
                for row in 0..ROWS {
                    let group = (first_row + row) * blocks * words + first_word + word;
                    // SAFETY: the caller vouches for the groups of the row, which are `blocks * words`; this is one
                    // of them, since `words` lines were cut out for each block, of which `word` counts those of a
                    // part.
                    let [first, second] = unsafe { *activations.groups.get_unchecked(group) };
                    for line in 0..LINES {
                        let sums = &mut partial[row][line];
                        *sums = simd.add_products::<BITS>(*sums, weights[0][line], first);
                    }
                    for line in 0..LINES {
                        let partial = if S::WAITS && ROWS <= 2 { &mut second_partial } else { &mut partial };
                        let sums = &mut partial[row][line];
                        *sums = simd.add_products::<BITS>(*sums, weights[1][line], second);
                    }
                }
            }
            for row in 0..ROWS {
                for line in 0..LINES {
                    let partial = simd.add_integers(
                        simd.totals::<BITS>(partial[row][line]),
                        simd.totals::<BITS>(second_partial[row][line]),
                    );
                    totals[row][line] = simd.add_integers(totals[row][line], partial);
                }
            }
        }
        for line in 0..LINES {
            let scale = simd.load_line(&weights.scales[(panel * blocks + block) * LINES + line]);
            for row in 0..ROWS {
                let of_row = simd.splat(activations.scales[(first_row + row) * blocks + block]);
                let total = simd.to_floats(totals[row][line]);
                sums[row][line] = simd.mul_add(total, simd.mul(scale, of_row), sums[row][line]);
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        for (line, sums) in sums.iter().enumerate() {
            // SAFETY: these columns belong to the panel, from which the caller keeps other tasks away.
            unsafe { output.store(simd, first_row + row, panel * LINES + line, *sums) };
        }
    }
}
