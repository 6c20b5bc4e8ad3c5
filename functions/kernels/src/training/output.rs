//! Output of a product, and the threads that write it.

use crate::thread_pool::ThreadPool;

/// Where products go, row by row, and what is added to them.
pub(super) struct Output<'a> {
    pub(super) numbers: &'a mut [f32],
    pub(super) stride: usize,
    /// One for each column.
    pub(super) bias: Option<&'a [f32]>,
}

/// Calls `run` with the number of each chunk and the chunk itself, on the threads of a pool or here.
pub(super) fn run_chunks<T: Send>(
    pool: Option<&ThreadPool>,
    numbers: &mut [T],
    length: usize,
    run: impl Fn(usize, &mut [T]) + Sync,
) {
    match pool {
        Some(pool) => pool.run_chunks(numbers, length, run),
        None => numbers.chunks_mut(length).enumerate().for_each(|(index, chunk)| run(index, chunk)),
    }
}
