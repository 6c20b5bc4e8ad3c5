//! Memory allocations per generated token: a few, the same for every token.

#![allow(clippy::unwrap_used)] // In a test, the panic is the report.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use artifact::Sampling;
use artifact::manifest::Precision;
use burn::module::Module;
use e2e::reference::TinyGpt;
use engine::{Engine, GenerationOptions, OnnxModel};
use gpt::onnx::{self, Recipe};
use gpt::{device, weights};

/// Counts what Rust code allocates; ONNX Runtime has an allocator of its own.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: All requests go to the system's allocator as they are; counting them allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, and so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The outputs of a run are handed out one by one, of each layer two; nothing grows with the text, and
/// the cache is not copied.
#[test]
fn a_token_takes_few_allocations_and_each_the_same() {
    let reference = TinyGpt::read().unwrap();
    let model = weights::load(&reference.config(), &reference.weights(), &device::cpu()).unwrap().valid();
    let file = tempfile::NamedTempFile::with_suffix(".onnx").unwrap();
    onnx::export_quantized(&model, Recipe::W4, None, file.path()).unwrap();
    let engine = Engine::new(OnnxModel::load(file.path(), Precision::W4, model.config(), 1).unwrap());

    // Within the context, so that nothing is run anew.
    let count = |max_tokens: usize| {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        engine
            .generate(&[1, 2, 3], &GenerationOptions::new(max_tokens, Sampling::new(0.7, Some(5)), 1))
            .unwrap();
        ALLOCATIONS.load(Ordering::Relaxed) - before
    };
    count(20); // binds what later runs find
    let [few, some, many] = [5, 15, 25].map(count);
    let per_token = (some - few) / 10;
    println!("{per_token} allocations a token, of a model of {} layers", model.config().n_layers);
    // Now and then the engine's thread allocates once as it waits for the next text, whenever that is.
    assert!((many - some).abs_diff(some - few) < 10, "{few}, {some} and {many}: less than one a token apart");
    assert!(per_token <= 10 + 8 * model.config().n_layers, "{per_token}");
}
