//! Determinism of training: the same seed trains the same model, bit for bit.

use std::path::Path;

use e2e::trained::{only_version, store_of_two, train_tiny, visible_versions};

fn files(version: &Path) -> [Vec<u8>; 5] {
    let read = |name: &str| std::fs::read(version.join(name)).unwrap();
    ["model.safetensors", "samples.txt", "model.onnx", "model.w4.onnx", "draft.bin"].map(read)
}

#[test]
fn the_same_seed_trains_the_same_model_and_samples_the_same_text() {
    let mut versions = visible_versions(store_of_two()).unwrap();
    versions.sort();
    let [first, other] = [0, 1].map(|index| files(&versions[index]));
    let store = tempfile::tempdir().unwrap();
    train_tiny(store.path(), "123").unwrap();
    let (again, _) = only_version(store.path()).unwrap();
    assert!(first == files(&again), "two runs of one seed differ");
    assert!(first[0] != other[0] && first[1] != other[1], "two seeds train the same model");
}
