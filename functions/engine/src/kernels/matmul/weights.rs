//! Weights as the kernel reads them: one stream of cache lines, each with a word of 16 columns.

use ort::Error;

use super::super::simd::{LANES, Line, MAX_LINES, Simd};
use super::memory::{Arena, Lines};

/// Columns of a strip, which is what a task takes.
pub(super) const STRIP: usize = LANES * MAX_LINES;
/// The largest block: the sum of 512 products of -128 and 32,767 has 32 bits.
pub(super) const MAX_BLOCK_SIZE: usize = 512;
/// Bytes of a word, which is what one lane of the multiplication takes.
const WORD: usize = 4;

/// The format of `MatMulNBits` without zero points: see the operator's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// Length of a row of activations, `K`.
    pub(super) d_in: usize,
    /// Columns, `N`.
    pub(super) d_out: usize,
    /// Of a weight: 4 or 8.
    pub(super) bits: usize,
    /// Weights of a column that share a scale.
    pub(super) block_size: usize,
}

impl Format {
    /// Blocks of a column; the last one may be filled up.
    pub(super) fn blocks(self) -> usize {
        self.d_in.div_ceil(self.block_size)
    }

    /// Words of a block.
    pub(super) fn words(self) -> usize {
        self.block_size * self.bits / (8 * WORD)
    }

    /// Length of a row of activations, filled up to whole blocks.
    pub(super) fn padded(self) -> usize {
        self.blocks() * self.block_size
    }

    /// What is taken from every weight, so that zero lies in the middle.
    pub(super) fn zero_point(self) -> i32 {
        1 << (self.bits - 1)
    }

    /// The largest integer of an activation, which has 8 bits or 16.
    pub(super) fn largest_activation(self) -> f32 {
        if self.bits == 4 { 127.0 } else { 32_767.0 }
    }

    pub(super) fn strips(self) -> usize {
        self.d_out.div_ceil(STRIP)
    }
}

/// Weights of a matrix with their scales and biases, in panels of columns that are read side by side: a strip is one
/// panel, or several one after the other. The columns that fill up the last strip are zero.
pub(super) struct Weights {
    pub(super) format: Format,
    /// `[panels, blocks, panel_lines]`
    pub(super) scales: Lines<f32>,
    /// `[panels, panel_lines]`
    pub(super) bias: Lines<f32>,
    /// `[panels, blocks, words, panel_lines]`: a lane has 4 weights of 8 bits, or 8 of 4 bits.
    pub(super) lines: Lines<u32>,
}

impl Weights {
    /// Lays out `packed`, `[d_out, blocks, block_size * bits / 8]`, and `scales`, `[d_out, blocks]`.
    ///
    /// # Errors
    /// If the lengths are not those of `format`, or there is no memory.
    pub(super) fn new<S: Simd>(
        arena: &Arena,
        format: Format,
        packed: &[u8],
        scales: &[f32],
        bias: Option<&[f32]>,
    ) -> Result<Self, Error> {
        Self::with_words::<S, _>(arena, format, packed, u32::from_le_bytes, scales, bias)
    }

    /// Lays out weights of 8 bits, rounded to 4.
    ///
    /// # Errors
    /// As of [`new`](Self::new).
    pub(super) fn coarse<S: Simd>(
        arena: &Arena,
        format: Format,
        packed: &[u8],
        scales: &[f32],
        bias: Option<&[f32]>,
    ) -> Result<Self, Error> {
        let coarse = Format { bits: 4, ..format };
        let mut weights = Self::with_words::<S, _>(arena, coarse, packed, rounded, scales, bias)?;
        weights.scales.iter_mut().flat_map(|line| &mut line.0).for_each(|scale| *scale *= 16.0);
        Ok(weights)
    }

    /// Makes each word of `BYTES` bytes. What is read first lies first.
    fn with_words<S: Simd, const BYTES: usize>(
        arena: &Arena,
        format: Format,
        packed: &[u8],
        word: impl Fn([u8; BYTES]) -> u32,
        scales: &[f32],
        bias: Option<&[f32]>,
    ) -> Result<Self, Error> {
        let (blocks, words) = (format.blocks(), format.words());
        check("scales", scales.len(), format.d_out * blocks)?;
        check("biases", bias.map_or(format.d_out, <[f32]>::len), format.d_out)?;
        check("weights", packed.len(), format.d_out * blocks * words * BYTES)?;
        let no_memory = |error| Error::new(format!("no memory for weights: {error}"));
        let lines = format.strips() * MAX_LINES;
        let number = |[number]: [f32; 1]| number;
        let mut weights = Self {
            format,
            scales: arena.lines(lines * blocks).map_err(no_memory)?,
            bias: arena.lines(lines).map_err(no_memory)?,
            lines: arena.lines(lines * blocks * words).map_err(no_memory)?,
        };
        transpose(scales, S::LINES, blocks, number, &mut weights.scales);
        transpose(bias.unwrap_or_default(), S::LINES, 1, number, &mut weights.bias);
        transpose(packed, S::LINES, blocks * words * BYTES, word, &mut weights.lines);
        Ok(weights)
    }
}

/// Eight weights of 8 bits as a word of weights of 4. Halves go up at even places and down at odd ones, so that
/// they cancel out; the largest weights are the only ones that cannot go up.
fn rounded(weights: [u8; 8]) -> u32 {
    let halves = weights.iter().enumerate().map(|(i, weight)| {
        let upper = weight.saturating_add(8 - (i % 2) as u8) >> 4;
        u32::from(upper) << (4 * i)
    });
    halves.sum()
}

fn check(what: &str, found: usize, expected: usize) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::new(format!("MatMulNBits: expected {expected} numbers of {what}, found {found}")))
}

/// From columns one after the other, each of `length` numbers, to lines: the first item of all columns
/// of a panel, then the second, and so on. An item is `N` numbers.
fn transpose<S: Copy, const N: usize, T: Copy>(
    columns: &[S],
    panel_lines: usize,
    length: usize,
    item: impl Fn([S; N]) -> T,
    lines: &mut [Line<T>],
) {
    let items = length / N;
    let panels = columns.chunks(panel_lines * LANES * length);
    for (lines, panel) in lines.chunks_mut(items * panel_lines).zip(panels) {
        for (column, numbers) in panel.chunks(length).enumerate() {
            let lines = lines[column / LANES..].iter_mut().step_by(panel_lines);
            for (line, numbers) in lines.zip(numbers.as_chunks().0) {
                line.0[column % LANES] = item(*numbers);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::{Avx2, Avx512};

    /// 33 columns of 16 weights of 4 bits in two blocks of one word: the words of column 0 and 16 are in the first
    /// lanes of the two lines of a strip, side by side or one panel after the other; those of column 32 alone in
    /// the second strip.
    #[test]
    fn lays_words_of_columns_side_by_side() {
        let format = Format { d_in: 16, d_out: 33, bits: 4, block_size: 8 };
        let packed: Vec<u8> = (0..33_u8).flat_map(|column| [column, 0, 0, 1, column, 0, 0, 2]).collect();
        let scales: Vec<f32> = (0..66).map(|i| i as f32).collect();
        type Layout = fn(&Arena, Format, &[u8], &[f32], Option<&[f32]>) -> Result<Weights, Error>;
        let (wide, narrow): (Layout, Layout) = (Weights::new::<Avx512>, Weights::new::<Avx2>);
        for (layout, [second_columns, second_block]) in [(wide, [1, 2]), (narrow, [2, 1])] {
            let weights = layout(&Arena::default(), format, &packed, &scales, None).unwrap();
            let lanes = |line: usize| weights.lines[line].0;
            assert_eq!(weights.lines.len(), 2 * 2 * 2);
            assert_eq!(lanes(0)[3], 0x0100_0003);
            assert_eq!(lanes(second_columns)[3], 0x0100_0013);
            assert_eq!(lanes(second_block)[3], 0x0200_0003);
            assert_eq!(lanes(4)[0], 0x0100_0020);
            assert_eq!(lanes(4)[1], 0);
            assert_eq!(weights.scales[0].0[1], 2.0);
            assert_eq!(weights.scales[3].0[0], 33.0); // column 16, second block
            assert!(layout(&Arena::default(), format, &packed[1..], &scales, None).is_err());
            assert!(layout(&Arena::default(), format, &packed, &scales[1..], None).is_err());
            assert!(layout(&Arena::default(), format, &packed, &scales, Some(&[0.0])).is_err());
        }
    }

    /// 24 and 25 are nearer to 32 than to 16, or as near at an even place; 8 goes down at an odd one. What lies
    /// above 240 has nowhere to go.
    #[test]
    fn rounds_8_bits_to_4() {
        assert_eq!(rounded([0, 8, 24, 25, 128, 255, 248, 120]), 0x7FF8_2200);
        let format = Format { d_in: 16, d_out: 1, bits: 8, block_size: 16 };
        let mut packed = [128; 16];
        packed[8] = 0;
        let coarse = Weights::coarse::<Avx2>;
        let weights = coarse(&Arena::default(), format, &packed, &[0.5], Some(&[3.0])).unwrap();
        assert_eq!((weights.lines[0].0[0], weights.lines[1].0[0]), (0x8888_8888, 0x8888_8880));
        assert_eq!((weights.scales[0].0[0], weights.bias[0].0[0]), (8.0, 3.0));
        assert_eq!(weights.format, Format { bits: 4, ..format });
        assert!(coarse(&Arena::default(), format, &packed[1..], &[0.5], None).is_err());
    }
}
