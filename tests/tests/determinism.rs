//! Determinism of training: the same seed trains the same model, bit for bit.

#![allow(clippy::unwrap_used)] // In a test, the panic is the report.

use std::path::Path;

use e2e::trained::{only_version, train_tiny};

fn train(seed: &str) -> [Vec<u8>; 5] {
    let store = tempfile::tempdir().unwrap();
    train_tiny(store.path(), seed).unwrap();
    let (folder, _) = only_version(store.path()).unwrap();
    let read = |name: &str| std::fs::read(Path::new(&folder).join(name)).unwrap();
    ["model.safetensors", "samples.txt", "model.onnx", "model.w4.onnx", "draft.bin"].map(read)
}

#[test]
fn the_same_seed_trains_the_same_model_and_samples_the_same_text() {
    let first = train("7");
    assert!(first == train("7"), "two runs of one seed differ");
    let other = train("8");
    assert!(first[0] != other[0] && first[1] != other[1], "two seeds train the same model");
}
