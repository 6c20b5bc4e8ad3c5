//! Matrix product by AMX: 16 rows at once times a strip of int8 weights.

use super::activations::Activations;
use super::output::Output;
use super::weights::Weights;
use crate::simd::{Amx, Line, MAX_LINES, Simd, Sums, TILE_LINES, TILE_ROWS, TILE_WORDS};

/// [`multiply`](super::multiply::multiply) for many rows of activations of 16 bits, by AMX. The sums are the same,
/// to the last bit: they are of integers until a block ends.
///
/// # Safety
/// No other task may read or write this strip of `output` at the same time.
pub(super) unsafe fn multiply_in_tiles<S: Simd>(
    simd: S,
    amx: Amx,
    weights: &Weights,
    strip: usize,
    activations: &Activations,
    output: &Output<'_>,
) {
    const { assert!(TILE_LINES == MAX_LINES, "tiles are as wide as a strip") };
    assert!(S::LINES == TILE_LINES, "a strip is a panel");
    let (blocks, words) = (weights.format.blocks(), weights.format.words());
    let tiles_of_block = words / TILE_WORDS;
    let (lines, _) = weights.lines[strip * blocks * words * TILE_LINES..].as_chunks::<TILE_LINES>();
    let mut products = Sums::ZEROS;
    amx.with_tiles(|tiles| {
        for first_row in (0..output.rows).step_by(TILE_ROWS) {
            let rows = TILE_ROWS.min(output.rows - first_row);
            let planes = &activations.planes[first_row / TILE_ROWS * blocks * tiles_of_block..];
            simd.vectorize(
                #[inline(always)]
                || {
                    let bias = |line| simd.load_line(&weights.bias[strip * TILE_LINES + line]);
                    let mut sums = [[bias(0), bias(1)]; TILE_ROWS];
                    for block in 0..blocks {
                        let lines = &lines[block * words..][..words];
                        let planes = &planes[block * tiles_of_block..][..tiles_of_block];
                        tiles.multiply(lines, planes, &mut products);
                        for line in 0..TILE_LINES {
                            let scale =
                                simd.load_line(&weights.scales[(strip * blocks + block) * TILE_LINES + line]);
                            for (row, sums) in sums[..rows].iter_mut().enumerate() {
                                let of_row = (first_row + row) * blocks + block;
                                let (high, low) = (&products.high[line][row], &products.low[line][row]);
                                let total = simd.add_integers(
                                    simd.load_words(&together(high, low)),
                                    simd.splat_integer(activations.offsets[of_row]),
                                );
                                let scale = simd.mul(scale, simd.splat(activations.scales[of_row]));
                                sums[line] = simd.mul_add(simd.to_floats(total), scale, sums[line]);
                            }
                        }
                    }
                    for (row, sums) in sums[..rows].iter().enumerate() {
                        for (line, &sums) in sums.iter().enumerate() {
                            // SAFETY: these lines are those of the strip, from which the caller keeps others away.
                            unsafe { output.store(simd, first_row + row, strip * TILE_LINES + line, sums) };
                        }
                    }
                },
            );
        }
    });
}

/// Sums of products of upper bytes and of lower bytes, as one.
#[inline(always)]
fn together(high: &Line<u32>, low: &Line<u32>) -> Line<u32> {
    Line(std::array::from_fn(|lane| (high.0[lane] << 8).wrapping_add(low.0[lane])))
}
