//! Thread pool for the kernels: `pool` runs jobs, `turns` hands out their parts without a lock.

mod pool;
mod turns;

pub use pool::ThreadPool;
