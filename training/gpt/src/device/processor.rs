//! Processor with AVX2 at least: its instructions, and the threads that compute with them.

use std::num::NonZero;
use std::sync::LazyLock;

use kernels::training::Multiplier;
use kernels::{Instructions, ThreadPool};

use super::derivative::Input;
use super::memory::is_float32_on_cpu;

/// What the processor has.
pub(super) struct Processor {
    pub(super) instructions: Instructions,
    pub(super) multiplier: Multiplier,
    pub(super) pool: ThreadPool,
}

static PROCESSOR: LazyLock<Option<Processor>> = LazyLock::new(|| {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let instructions = Instructions::detect()?;
    Some(Processor {
        instructions,
        multiplier: Multiplier::new(instructions),
        pool: ThreadPool::new(threads).ok()?,
    })
});

/// The processor, which is there if a result has been computed with it.
pub(super) fn processor() -> &'static Processor {
    match &*PROCESSOR {
        Some(processor) => processor,
        None => panic!("a processor with AVX2 was expected"),
    }
}

/// All tensors, if they are float32 on the CPU of a processor with AVX2.
pub(super) fn inputs<const N: usize>(tensors: [Option<Input>; N]) -> Option<[Input; N]> {
    PROCESSOR.as_ref()?;
    let all: Option<Vec<Input>> = tensors.into_iter().collect();
    let all = all.filter(|all| all.iter().all(|input| is_float32_on_cpu(input.primitive())))?;
    all.try_into().ok()
}

/// libtorch on one thread, until this is dropped.
pub struct OneThread {
    before: i32,
}

/// Keeps libtorch to one thread, where [layers](super::layers) have threads of their own:
/// two pools that take turns fight for the cores, as threads that have nothing to do spin for a while.
pub fn keep_libtorch_to_one_thread() -> Option<OneThread> {
    PROCESSOR.as_ref()?;
    let before = tch::get_num_threads();
    tch::set_num_threads(1);
    Some(OneThread { before })
}

impl Drop for OneThread {
    fn drop(&mut self) {
        tch::set_num_threads(self.before);
    }
}
