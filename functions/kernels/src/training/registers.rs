//! Products of float32 matrices in SIMD registers.
//!
//! Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008): both factors are packed in the order
//! in which they are read, and a panel of the right one stays in the first cache while it is multiplied with many rows.

use std::cell::RefCell;

use super::matrix::MatrixView;
use super::output::{Output, run_chunks};
use crate::simd::{LANES, Line, Simd};
use crate::thread_pool::ThreadPool;

/// Rows of a task. They are packed a register's lanes at a time.
const TASK_ROWS: usize = 4 * LANES;
/// Panels of the right factor that are packed at once, so that pieces of a row are long: rows may be pages apart.
const PANELS: usize = 8;
/// Products that a tile sums up at once, so that the panel they are made of stays in the first cache.
const DEPTH: usize = 192;

thread_local! {
    /// Lines of the left and of the right factor: memory that is kept.
    static LINES: RefCell<[Vec<Line<f32>>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// `output = left right + bias`, of factors that fit.
pub(super) fn multiply<S: Simd>(
    simd: S,
    pool: Option<&ThreadPool>,
    left: MatrixView,
    right: MatrixView,
    output: Output,
) {
    let (depth, columns) = (left.columns(), right.columns());
    let width = S::LINES * LANES;
    let mut right_lines = LINES.with_borrow_mut(|[_, right]| std::mem::take(right));
    let packed = first_lines(&mut right_lines, columns.div_ceil(width) * S::LINES * depth);
    run_chunks(pool, packed, PANELS * S::LINES * depth, |panels, lines| {
        pack(simd, right, !right.is_transposed(), panels * PANELS * width, S::LINES, lines);
    });
    let packed = &*packed;
    let Output { numbers, stride, bias } = output;
    run_chunks(pool, numbers, TASK_ROWS * stride, |task, numbers| {
        LINES.with_borrow_mut(|[left_lines, _]| {
            let first = task * TASK_ROWS;
            let rows = TASK_ROWS.min(left.rows() - first);
            let left_lines = first_lines(left_lines, rows.div_ceil(LANES) * depth);
            pack(simd, left, left.is_transposed(), first, 1, left_lines);
            let factors = Factors { left: left_lines, right: packed, depth, columns };
            simd.vectorize(
                #[inline(always)]
                || match S::LINES {
                    1 => factors.multiply::<S, 1, 4>(simd, rows, Output { numbers, stride, bias }),
                    _ => factors.multiply::<S, 2, 8>(simd, rows, Output { numbers, stride, bias }),
                },
            );
        });
    });
    LINES.with_borrow_mut(|[_, right]| *right = right_lines);
}

/// Packs rows of a left factor, or columns of a right one, from a place on: panels of so many lines side by side.
/// `across`: whether the numbers that are multiplied with one another stand in different lines of the matrix.
fn pack<S: Simd>(
    simd: S,
    matrix: MatrixView,
    across: bool,
    side: usize,
    lines: usize,
    packed: &mut [Line<f32>],
) {
    let depth = if across { matrix.lines() } else { matrix.length() };
    let width = lines * LANES;
    simd.vectorize(
        #[inline(always)]
        || {
            if across {
                let panels = packed.len() / (lines * depth);
                for line in 0..depth {
                    let numbers = matrix.line(line, side, panels * width);
                    for panel in 0..panels {
                        for i in 0..lines {
                            let from = panel * width + i * LANES;
                            let numbers = simd.load(numbers.get(from..).unwrap_or_default());
                            simd.store(&mut packed[(panel * depth + line) * lines + i].0, numbers);
                        }
                    }
                }
                return;
            }
            for (panel, packed) in packed.chunks_mut(lines * depth).enumerate() {
                for (block, packed) in packed.chunks_mut(LANES * lines).enumerate() {
                    for i in 0..lines {
                        let first = side + panel * width + i * LANES;
                        let mut rows = [simd.splat(0.0); LANES];
                        for (row, numbers) in rows.iter_mut().enumerate() {
                            *numbers = simd.load(matrix.line(first + row, block * LANES, LANES));
                        }
                        for (packed, column) in packed.chunks_mut(lines).zip(simd.transpose(rows)) {
                            simd.store(&mut packed[i].0, column);
                        }
                    }
                }
            }
        },
    );
}

/// So many lines of memory that is kept, whatever is in them.
fn first_lines(kept: &mut Vec<Line<f32>>, count: usize) -> &mut [Line<f32>] {
    if kept.len() < count {
        kept.resize(count, Line([0.0; LANES]));
    }
    &mut kept[..count]
}

/// Packed factors of a task.
struct Factors<'a> {
    /// A line has the numbers of 16 rows that are multiplied with those of the same depth.
    left: &'a [Line<f32>],
    /// Panels of columns.
    right: &'a [Line<f32>],
    depth: usize,
    columns: usize,
}

impl Factors<'_> {
    /// Multiplies `rows` rows, tile by tile.
    #[inline(always)]
    fn multiply<S: Simd, const LINES: usize, const ROWS: usize>(self, simd: S, rows: usize, output: Output) {
        let Output { numbers, stride, bias } = output;
        let width = LINES * LANES;
        let mut products = [[Line([0.0; LANES]); LINES]; ROWS];
        for from in (0..self.depth).step_by(DEPTH) {
            let depths = from..self.depth.min(from + DEPTH);
            for (panel, right) in self.right.chunks_exact(LINES * self.depth).enumerate() {
                let (right, _) = right.as_chunks::<LINES>();
                let columns = panel * width..self.columns.min((panel + 1) * width);
                for first in (0..rows).step_by(ROWS) {
                    let left = &self.left[first / LANES * self.depth..][depths.clone()];
                    multiply_tile(simd, left, first % LANES, &right[depths.clone()], &mut products);
                    for (row, products) in (first..rows).zip(&products) {
                        let numbers = &mut numbers[row * stride + columns.start..row * stride + columns.end];
                        let bias = bias.map(|bias| &bias[columns.clone()]);
                        write(simd, numbers, products, from > 0, bias);
                    }
                }
            }
        }
    }
}

/// Writes products of a row, or adds them to those that are there: with the biases to the first.
#[inline(always)]
fn write<S: Simd>(
    simd: S,
    numbers: &mut [f32],
    products: &[Line<f32>],
    are_more: bool,
    bias: Option<&[f32]>,
) {
    for (i, (numbers, products)) in numbers.chunks_mut(LANES).zip(products).enumerate() {
        let mut sums = simd.load_line(products);
        if are_more {
            sums = simd.add(simd.load(numbers), sums);
        } else if let Some(bias) = bias {
            sums = simd.add(simd.load(&bias[i * LANES..]), sums);
        }
        simd.store(numbers, sums);
    }
}

/// Products of `ROWS` rows, from one of 16 on, and a panel of columns.
#[inline(always)]
fn multiply_tile<S: Simd, const LINES: usize, const ROWS: usize>(
    simd: S,
    left: &[Line<f32>],
    first: usize,
    right: &[[Line<f32>; LINES]],
    products: &mut [[Line<f32>; LINES]; ROWS],
) {
    // Loops instead of iterators of arrays, which would be calls of functions that are not compiled to these instructions.
    let mut sums = [[simd.splat(0.0); LINES]; ROWS];
    for (left, right) in left.iter().zip(right) {
        let rows = &left.0[first..first + ROWS];
        let mut lines = [simd.splat(0.0); LINES];
        for line in 0..LINES {
            lines[line] = simd.load_line(&right[line]);
        }
        for row in 0..ROWS {
            let number = simd.splat(rows[row]);
            for line in 0..LINES {
                sums[row][line] = simd.mul_add(number, lines[line], sums[row][line]);
            }
        }
    }
    for row in 0..ROWS {
        for line in 0..LINES {
            simd.store(&mut products[row][line].0, sums[row][line]);
        }
    }
}
