//! Products of float32 matrices by AMX, with 16 bits of each number.

use std::cell::RefCell;

use super::matrix::MatrixView;
use crate::simd::{Bf16, Bf16Tiles, Block, LANES, Products, SIDE, prefetch};
use crate::thread_pool::ThreadPool;

/// Multiplies float32 matrices by AMX. Each number counts with its first 16 significant bits of 24, sums are float32's.
/// A value is the proof that this processor can do so.
///
/// Not a number, and infinite ones, make their products not a number.
#[derive(Clone, Copy)]
pub struct Multiplier(Bf16);

/// Where products go, row by row, and what is added to them.
pub(super) struct Output<'a> {
    pub(super) numbers: &'a mut [f32],
    pub(super) stride: usize,
    /// One for each column.
    pub(super) bias: Option<&'a [f32]>,
}

thread_local! {
    /// Blocks of the left and of the right factor: memory that is kept.
    static BLOCKS: RefCell<[Vec<Block>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

impl Multiplier {
    /// If this processor has AMX for bf16.
    pub fn detect() -> Option<Self> {
        Bf16::detect().map(Self)
    }

    /// `product = left right + bias`, the bias, `[columns]`, added to each row.
    ///
    /// # Panics
    /// If the shapes do not fit, or nothing is to be summed up.
    pub fn multiply(
        self,
        pool: &ThreadPool,
        left: MatrixView,
        right: MatrixView,
        bias: Option<&[f32]>,
        product: &mut [f32],
    ) {
        let (rows, depth, columns) = (left.rows(), left.columns(), right.columns());
        assert!(
            right.rows() == depth && depth > 0,
            "product: [{rows}, {depth}] [{}, {columns}]",
            right.rows()
        );
        assert_eq!(product.len(), rows * columns, "product: numbers");
        assert!(bias.is_none_or(|bias| bias.len() == columns), "product: biases");
        let blocks = depth.div_ceil(SIDE);
        let mut right_blocks = BLOCKS.with_borrow_mut(|[_, right]| std::mem::take(right));
        let packed = first_blocks(&mut right_blocks, columns.div_ceil(SIDE) * blocks);
        pool.run_chunks(packed, blocks, |panel, blocks| self.pack_right(right, panel, blocks));
        let packed = &*packed;
        pool.run_chunks(product, SIDE * columns, |panel, product| {
            BLOCKS.with_borrow_mut(|[left_blocks, _]| {
                let left_blocks = first_blocks(left_blocks, blocks);
                self.pack_left(left, panel, left_blocks);
                let mut output = Output { numbers: product, stride: columns, bias };
                self.0.with_tiles(|tiles| {
                    multiply_panel(tiles, left_blocks, packed, columns, &mut output);
                });
            });
        });
        BLOCKS.with_borrow_mut(|[_, right]| *right = right_blocks);
    }

    /// `product = left right`, on this thread alone.
    pub(super) fn multiply_here(self, left: MatrixView, right: MatrixView, output: &mut Output) {
        let blocks = left.columns().div_ceil(SIDE);
        BLOCKS.with_borrow_mut(|[left_blocks, right_blocks]| {
            let right_blocks = first_blocks(right_blocks, right.columns().div_ceil(SIDE) * blocks);
            for (panel, blocks) in right_blocks.chunks_mut(blocks).enumerate() {
                self.pack_right(right, panel, blocks);
            }
            let left_blocks = first_blocks(left_blocks, blocks);
            for (panel, rows) in output.numbers.chunks_mut(SIDE * output.stride).enumerate() {
                self.pack_left(left, panel, left_blocks);
                let mut output = Output { numbers: rows, stride: output.stride, bias: output.bias };
                self.0.with_tiles(|tiles| {
                    multiply_panel(tiles, left_blocks, right_blocks, right.columns(), &mut output);
                });
            }
        });
    }

    /// Packs 32 rows of a left factor.
    fn pack_left(self, left: MatrixView, panel: usize, blocks: &mut [Block]) {
        self.pack(left, left.is_transposed(), panel, blocks, false);
    }

    /// Packs 32 columns of a right factor.
    fn pack_right(self, right: MatrixView, panel: usize, blocks: &mut [Block]) {
        self.pack(right, !right.is_transposed(), panel, blocks, true);
    }

    /// `across`: whether the numbers that are multiplied with one another stand in different lines.
    fn pack(
        self,
        matrix: MatrixView,
        across: bool,
        panel: usize,
        blocks: &mut [Block],
        pairs_are_rows: bool,
    ) {
        for (depth, block) in blocks.iter_mut().enumerate() {
            let (side, depth) = (panel * SIDE, depth * SIDE);
            let place = |depth| if across { (depth, side) } else { (side, depth) };
            let ((line, from), (next, next_from)) = (place(depth), place(depth + SIDE));
            (0..SIDE).for_each(|i| prefetch_numbers(matrix.line(next + i, next_from, SIDE)));
            self.0.pack(block, |i| matrix.line(line + i, from, SIDE), across, pairs_are_rows);
        }
    }
}

/// Asks for numbers of the next block: lines are often a page apart, where the processor does not do so by itself.
fn prefetch_numbers(numbers: &[f32]) {
    for numbers in numbers.chunks(LANES) {
        prefetch(numbers.as_ptr());
    }
}

/// So many blocks of memory that is kept, whatever is in them.
fn first_blocks(kept: &mut Vec<Block>, count: usize) -> &mut [Block] {
    if kept.len() < count {
        kept.resize(count, Block::ZEROS);
    }
    &mut kept[..count]
}

/// Multiplies a panel of 32 rows with all panels of 32 columns.
fn multiply_panel(tiles: &Bf16Tiles, left: &[Block], right: &[Block], columns: usize, output: &mut Output) {
    let mut products = Products::ZEROS;
    for (panel, right) in right.chunks_exact(left.len()).enumerate() {
        tiles.multiply(left, right, &mut products);
        let first = panel * SIDE;
        let end = columns.min(first + SIDE);
        let bias = output.bias.map(|bias| &bias[first..end]);
        for (row, products) in output.numbers.chunks_mut(output.stride).zip(&products.0) {
            let row = &mut row[first..end];
            match bias {
                None => row.copy_from_slice(&products[..row.len()]),
                Some(bias) => {
                    for ((number, product), bias) in row.iter_mut().zip(products).zip(bias) {
                        *number = product + bias;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, step: f32) -> Vec<f32> {
        (1..=count).map(|i| (i as f32 * step).sin()).collect()
    }

    /// Shapes with and without rests, each factor as it is and transposed, with and without biases, on one and two
    /// threads and here, against sums in 64 bits.
    #[test]
    fn products_are_those_of_matrices() {
        let Some(multiplier) = Multiplier::detect() else {
            eprintln!("no AMX for bf16 here: not tested");
            return;
        };
        for [rows, depth, columns] in [[1, 1, 1], [32, 32, 32], [33, 65, 40], [70, 31, 130], [5, 100, 64]] {
            let (a, b, bias) =
                (numbers(rows * depth, 0.7), numbers(depth * columns, 1.3), numbers(columns, 2.1));
            for turned in 0..4 {
                let (turns_left, turns_right) = (turned & 1 > 0, turned & 2 > 0);
                let view = |numbers, turns, rows, columns| match turns {
                    false => MatrixView::new(numbers, rows, columns),
                    true => MatrixView::new(numbers, columns, rows).transpose(),
                };
                let (left, right) =
                    (view(&a, turns_left, rows, depth), view(&b, turns_right, depth, columns));
                let mut found = [(); 4].map(|()| vec![f32::NAN; rows * columns]);
                let [one, two, biased, here] = &mut found;
                multiplier.multiply(&ThreadPool::new(1).unwrap(), left, right, None, one);
                multiplier.multiply(&ThreadPool::new(2).unwrap(), left, right, None, two);
                multiplier.multiply(&ThreadPool::new(2).unwrap(), left, right, Some(&bias), biased);
                let mut output = Output { numbers: here, stride: columns, bias: None };
                multiplier.multiply_here(left, right, &mut output);
                for i in 0..rows {
                    for j in 0..columns {
                        let product = |k: usize| {
                            let a = if turns_left { a[k * rows + i] } else { a[i * depth + k] };
                            let b = if turns_right { b[j * depth + k] } else { b[k * columns + j] };
                            f64::from(a) * f64::from(b)
                        };
                        let expected: f64 = (0..depth).map(product).sum();
                        let at = i * columns + j;
                        let difference = (f64::from(found[0][at]) - expected).abs();
                        assert!(difference < depth as f64 / f64::from(1 << 17), "{i} {j}: {difference}");
                        assert_eq!([found[1][at], found[3][at]], [found[0][at]; 2]);
                        assert_eq!(found[2][at], found[0][at] + bias[j]);
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "product: [2, 3] [2, 3]")]
    fn shapes_must_fit() {
        let numbers = [0.0; 6];
        let matrix = MatrixView::new(&numbers, 2, 3);
        let Some(multiplier) = Multiplier::detect() else { panic!("product: [2, 3] [2, 3]") };
        multiplier.multiply(&ThreadPool::new(1).unwrap(), matrix, matrix, None, &mut [0.0; 6]);
    }
}
