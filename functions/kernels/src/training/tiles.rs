//! Products of float32 matrices by AMX, with 16 bits of each number.

use std::cell::RefCell;

use super::matrix::MatrixView;
use super::output::{Output, run_chunks};
use crate::simd::{Bf16, Bf16Tiles, Block, LANES, Products, SIDE, prefetch};
use crate::thread_pool::ThreadPool;

thread_local! {
    /// Blocks of the left and of the right factor: memory that is kept.
    static BLOCKS: RefCell<[Vec<Block>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// `output = left right + bias`, of factors that fit.
pub(super) fn multiply(
    bf16: Bf16,
    pool: Option<&ThreadPool>,
    left: MatrixView,
    right: MatrixView,
    output: Output,
) {
    let (blocks, columns) = (left.columns().div_ceil(SIDE), right.columns());
    let mut right_blocks = BLOCKS.with_borrow_mut(|[_, right]| std::mem::take(right));
    let packed = first_blocks(&mut right_blocks, columns.div_ceil(SIDE) * blocks);
    run_chunks(pool, packed, blocks, |panel, blocks| {
        pack(bf16, right, !right.is_transposed(), panel, blocks, true);
    });
    let packed = &*packed;
    let Output { numbers, stride, bias } = output;
    run_chunks(pool, numbers, SIDE * stride, |panel, numbers| {
        BLOCKS.with_borrow_mut(|[left_blocks, _]| {
            let left_blocks = first_blocks(left_blocks, blocks);
            pack(bf16, left, left.is_transposed(), panel, left_blocks, false);
            let mut output = Output { numbers, stride, bias };
            bf16.with_tiles(|tiles| multiply_panel(tiles, left_blocks, packed, columns, &mut output));
        });
    });
    BLOCKS.with_borrow_mut(|[_, right]| *right = right_blocks);
}

/// Packs 32 rows of a left factor, or 32 columns of a right one. `across`: whether the numbers that are multiplied
/// with one another stand in different lines.
fn pack(
    bf16: Bf16,
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
        bf16.pack(block, |i| matrix.line(line + i, from, SIDE), across, pairs_are_rows);
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
