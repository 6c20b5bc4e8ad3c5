//! Layout of quantized weights for the kernels: one stream of cache lines, each with a word of 16 columns.

use super::format::Format;
use crate::arena::{Arena, Lines};
use crate::error::WeightsError;
use crate::simd::{LANES, Line, MAX_LINES};
use crate::thread_pool::ThreadPool;

/// Quantized weights as a model stores them.
#[derive(Clone, Copy, Debug)]
pub struct PackedWeights<'a> {
    /// `[d_out, blocks, block_size * bits / 8]`
    pub weights: &'a [u8],
    /// `[d_out, blocks]`
    pub scales: &'a [f32],
}

/// Weights of a matrix with their scales and biases, in panels of columns that are read side by side: a strip is one
/// panel, or several one after the other. The columns that fill up the last strip are zero.
pub(crate) struct Weights {
    pub(crate) format: Format,
    /// `[panels, blocks, panel_lines]`
    pub(crate) scales: Lines<f32>,
    /// `[panels, panel_lines]`
    pub(crate) bias: Lines<f32>,
    /// `[panels, blocks, words, panel_lines]`: a lane has 4 weights of 8 bits, or 8 of 4 bits.
    pub(crate) lines: Lines<u32>,
}

impl Weights {
    /// Lays out `packed` in panels of `panel_lines` lines of columns, as the kernels read them, with biases
    /// `[d_out]`, or none.
    ///
    /// # Errors
    /// If the lengths are not those of `format`, or there is no memory.
    pub(crate) fn new(
        arena: &Arena,
        pool: &ThreadPool,
        panel_lines: usize,
        format: Format,
        packed: PackedWeights<'_>,
        bias: Option<&[f32]>,
    ) -> Result<Self, WeightsError> {
        Self::with_words(arena, pool, panel_lines, format, packed, u32::from_le_bytes, bias)
    }

    /// Lays out int8 weights, rounded to int4: see [`new`](Self::new).
    ///
    /// # Errors
    /// If the lengths are not those of `format`, or there is no memory.
    pub(crate) fn coarse(
        arena: &Arena,
        pool: &ThreadPool,
        panel_lines: usize,
        format: Format,
        packed: PackedWeights<'_>,
        bias: Option<&[f32]>,
    ) -> Result<Self, WeightsError> {
        let coarse = Format { bits: 4, ..format };
        let mut weights = Self::with_words(arena, pool, panel_lines, coarse, packed, rounded, bias)?;
        weights.scales.iter_mut().flat_map(|line| &mut line.0).for_each(|scale| *scale *= 16.0);
        Ok(weights)
    }

    /// Makes each word of `BYTES` bytes. What is read first lies first.
    fn with_words<const BYTES: usize>(
        arena: &Arena,
        pool: &ThreadPool,
        panel_lines: usize,
        format: Format,
        packed: PackedWeights<'_>,
        word: impl Fn([u8; BYTES]) -> u32 + Sync,
        bias: Option<&[f32]>,
    ) -> Result<Self, WeightsError> {
        let PackedWeights { weights: packed, scales } = packed;
        let (blocks, words) = (format.blocks(), format.words());
        check("scales", scales.len(), format.d_out * blocks)?;
        check("biases", bias.map_or(format.d_out, <[f32]>::len), format.d_out)?;
        check("weights", packed.len(), format.d_out * blocks * words * BYTES)?;
        let lines = format.strips() * MAX_LINES;
        let number = |[number]: [f32; 1]| number;
        let mut weights = Self {
            format,
            scales: arena.lines(lines * blocks)?,
            bias: arena.lines(lines)?,
            lines: arena.lines(lines * blocks * words)?,
        };
        transpose(pool, scales, panel_lines, blocks, number, &mut weights.scales);
        transpose(pool, bias.unwrap_or_default(), panel_lines, 1, number, &mut weights.bias);
        transpose(pool, packed, panel_lines, blocks * words * BYTES, word, &mut weights.lines);
        Ok(weights)
    }
}

/// Eight weights of 8 bits as a word of weights of 4. Halves go up at even places and down at odd ones, so that
/// they cancel out; the largest weights are the only ones that cannot go up.
///
/// All at once, each in 16 bits of a number of 64: loading a model is in good part this.
fn rounded(weights: [u8; 8]) -> u32 {
    const BYTES: u64 = 0x00FF_00FF_00FF_00FF;
    const ONES: u64 = 0x0001_0001_0001_0001;
    let weights = u64::from_le_bytes(weights);
    // From 0 to 16, and 16 is one too many.
    let upper = |weights: u64, half: u64| (weights + half * ONES) >> 4 & (0x1F * ONES);
    let at_most_15 = |upper: u64| upper - (upper >> 4 & ONES);
    let even = at_most_15(upper(weights & BYTES, 8));
    let odd = at_most_15(upper(weights >> 8 & BYTES, 7));
    let bytes = even | odd << 4;
    let pairs = (bytes | bytes >> 8) & 0x0000_FFFF_0000_FFFF;
    (pairs | pairs >> 16) as u32
}

fn check(what: &'static str, found: usize, expected: usize) -> Result<(), WeightsError> {
    if found == expected {
        return Ok(());
    }
    Err(WeightsError::Length { what, expected, found })
}

/// From columns one after the other, each of `length` numbers, to lines: the first item of all columns
/// of a panel, then the second, and so on. An item is `N` numbers.
fn transpose<S: Copy + Sync, const N: usize, T: Copy + Send>(
    pool: &ThreadPool,
    columns: &[S],
    panel_lines: usize,
    length: usize,
    item: impl Fn([S; N]) -> T + Sync,
    lines: &mut [Line<T>],
) {
    let items = length / N;
    let of_panel = panel_lines * LANES * length;
    pool.run_chunks(lines, items * panel_lines, |panel, lines| {
        // The panels that fill up the last strip have no columns.
        let columns = columns.get(panel * of_panel..).unwrap_or_default();
        for (column, numbers) in columns.chunks(length).take(panel_lines * LANES).enumerate() {
            let lines = lines[column / LANES..].iter_mut().step_by(panel_lines);
            for (line, numbers) in lines.zip(numbers.as_chunks().0) {
                line.0[column % LANES] = item(*numbers);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 33 columns of 16 weights of 4 bits in two blocks of one word: the words of column 0 and 16 are in the first
    /// lanes of the two lines of a strip, side by side or one panel after the other; those of column 32 alone in
    /// the second strip.
    #[test]
    fn lays_words_of_columns_side_by_side() {
        let format = Format { d_in: 16, d_out: 33, bits: 4, block_size: 8 };
        let packed: Vec<u8> = (0..33_u8).flat_map(|column| [column, 0, 0, 1, column, 0, 0, 2]).collect();
        let scales: Vec<f32> = (0..66).map(|i| i as f32).collect();
        for (panel_lines, [second_columns, second_block]) in [(2, [1, 2]), (1, [2, 1])] {
            let layout = |weights, scales, bias| {
                let packed = PackedWeights { weights, scales };
                Weights::new(
                    &Arena::default(),
                    &ThreadPool::new(2).unwrap(),
                    panel_lines,
                    format,
                    packed,
                    bias,
                )
            };
            let weights = layout(&packed, &scales, None).unwrap();
            let lanes = |line: usize| weights.lines[line].0;
            assert_eq!(weights.lines.len(), 2 * 2 * 2);
            assert_eq!(lanes(0)[3], 0x0100_0003);
            assert_eq!(lanes(second_columns)[3], 0x0100_0013);
            assert_eq!(lanes(second_block)[3], 0x0200_0003);
            assert_eq!(lanes(4)[0], 0x0100_0020);
            assert_eq!(lanes(4)[1], 0);
            assert_eq!(weights.scales[0].0[1], 2.0);
            assert_eq!(weights.scales[3].0[0], 33.0); // column 16, second block
            assert!(layout(&packed[1..], &scales, None).is_err());
            assert!(layout(&packed, &scales[1..], None).is_err());
            assert!(layout(&packed, &scales, Some(&[0.0])).is_err());
        }
    }

    /// 24 and 25 are nearer to 32 than to 16, or as near at an even place; 8 goes down at an odd one. What lies
    /// above 240 has nowhere to go.
    #[test]
    fn rounds_8_bits_to_4() {
        assert_eq!(rounded([0, 8, 24, 25, 128, 255, 248, 120]), 0x7FF8_2200);
        for (weight, place) in (0..=255_u8).flat_map(|weight| (0..8).map(move |place| (weight, place))) {
            let mut weights = [0; 8];
            weights[place] = weight;
            let half = 8 - place as u32 % 2;
            assert_eq!(rounded(weights), (u32::from(weight) + half).div_euclid(16).min(15) << (4 * place));
        }
        let format = Format { d_in: 16, d_out: 1, bits: 8, block_size: 16 };
        let mut packed = [128; 16];
        packed[8] = 0;
        let coarse = |weights, bias| {
            let packed = PackedWeights { weights, scales: &[0.5] };
            Weights::coarse(&Arena::default(), &ThreadPool::new(2).unwrap(), 1, format, packed, bias)
        };
        let weights = coarse(&packed, Some(&[3.0])).unwrap();
        assert_eq!((weights.lines[0].0[0], weights.lines[1].0[0]), (0x8888_8888, 0x8888_8880));
        assert_eq!((weights.scales[0].0[0], weights.bias[0].0[0]), (8.0, 3.0));
        assert_eq!(weights.format, Format { bits: 4, ..format });
        assert!(coarse(&packed[1..], None).is_err());
    }
}
