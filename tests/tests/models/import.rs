//! Import and export parity: models from PyTorch and Hugging Face compute the same here, and ours the same there.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use e2e::process::python;
use e2e::reference::{self, largest_difference};
use gpt::weights::{self, Format, ImportOptions, Imported};
use gpt::{Gpt, device};

fn reference(path: &str) -> PathBuf {
    reference::folder().join(path)
}

/// A copy of a reference file in a folder of its own.
fn alone(path: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join(Path::new(path).file_name().unwrap());
    fs::copy(reference(path), &copy).unwrap();
    (folder, copy)
}

fn four_heads() -> ImportOptions {
    ImportOptions { n_heads: Some(4), ..ImportOptions::default() }
}

fn import(path: &Path, options: &ImportOptions) -> Imported {
    weights::import(path, options, &device::cpu()).unwrap()
}

fn refusal(path: &Path, options: &ImportOptions) -> String {
    weights::import(path, options, &device::cpu()).unwrap_err().to_string()
}

/// Compares with the logits that the library computed which wrote the reference.
fn assert_logits(model: Gpt, name: &str) {
    #[derive(serde::Deserialize)]
    struct Expected {
        input_ids: Vec<Vec<i64>>,
    }
    let json = fs::read(reference(name).join("expected.json")).unwrap();
    let rows = serde_json::from_slice::<Expected>(&json).unwrap().input_ids;
    let ids = TensorData::new(rows.concat(), [rows.len(), rows[0].len()]);
    let logits = model.valid().forward(Tensor::<2, Int>::from_data(ids, &device::cpu()));
    let logits = logits.into_data().try_to_vec::<f32>().unwrap();
    let difference = largest_difference(&logits, &reference::logits(name).unwrap());
    println!("largest difference of logits to {name}: {difference:e}");
    assert!(difference <= 1e-4);
}

#[test]
fn a_pytorch_checkpoint_computes_what_pytorch_computes() {
    let imported = import(&reference("tiny-gpt/model.pth"), &four_heads());
    assert_eq!(imported.source, Format::PyTorch);
    assert_eq!(imported.config, reference::TinyGpt::read().unwrap().config());
    assert_logits(imported.model, "tiny-gpt");
}

#[test]
fn safetensors_compute_what_pytorch_computes() {
    let imported = import(&reference("tiny-gpt/model.safetensors"), &four_heads());
    assert_eq!(imported.source, Format::Safetensors);
    assert_eq!(imported.config, reference::TinyGpt::read().unwrap().config());
    assert_logits(imported.model, "tiny-gpt");
}

#[test]
fn a_hugging_face_folder_computes_what_transformers_computes() {
    let imported = import(&reference("tiny-hf-gpt2"), &ImportOptions::default());
    assert_eq!(imported.source, Format::HuggingFace);
    let config = &imported.config;
    assert_eq!((config.n_heads, config.d_ff, config.dropout), (4, 192, 0.1));
    assert!(config.qkv_bias && config.tied_output_head);
    assert_logits(imported.model, "tiny-hf-gpt2");
}

#[test]
fn an_imported_model_can_be_trained_on() {
    let device = device::cpu().autodiff();
    let imported = weights::import(&reference("tiny-gpt/model.pth"), &four_heads(), &device).unwrap();
    let ids = Tensor::<2, Int>::from_data(TensorData::from([[1i64, 2, 3]]), &device);
    let gradients = imported.model.forward(ids).sum().backward();
    assert!(imported.model.token_embedding.weight.val().grad(&gradients).is_some());
}

#[test]
fn our_file_loads_in_pytorch() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    weights::save(&import(&reference("tiny-gpt/model.pth"), &four_heads()).model, &file).unwrap();
    let said = python("check_pytorch.py", &[&file, &reference("tiny-gpt")]).unwrap();
    print!("{said}");
}

/// One model with a tied head and a QKV bias, and one with neither.
#[test]
fn an_export_loads_in_transformers_and_here() {
    for (path, name) in [("tiny-hf-gpt2", "tiny-hf-gpt2"), ("tiny-gpt/model.pth", "tiny-gpt")] {
        let folder = tempfile::tempdir().unwrap();
        let export = folder.path().join("export");
        weights::export_hf(&import(&reference(path), &four_heads()).model, None, &export).unwrap();
        let said = python("check_transformers.py", &[&export, &reference(name)]).unwrap();
        print!("{said}");
        let again = import(&export, &ImportOptions::default());
        assert_eq!(again.source, Format::HuggingFace);
        assert_logits(again.model, name);
    }
}

#[test]
fn the_number_of_heads_is_asked_for_by_name() {
    let (folder, file) = alone("tiny-gpt/model.pth");
    let message = refusal(&file, &ImportOptions::default());
    assert!(message.contains("--n-heads") && message.contains("model.pth"), "{message}");
    let five = ImportOptions { n_heads: Some(5), ..ImportOptions::default() };
    let message = refusal(&file, &five);
    assert!(message.contains("`n_heads` is 5, expected a divisor of d_model = 48"), "{message}");

    // The words of LLMs-from-scratch, of nanoGPT, and of a version's manifest.
    for (name, json) in [
        ("config.json", r#"{"emb_dim": 48, "n_heads": 4, "drop_rate": 0.25, "qkv_bias": false}"#),
        ("config.json", r#"{"n_embd": 48, "n_head": 4, "block_size": 32, "dropout": 0.25}"#),
        ("manifest.json", r#"{"format_version": 1, "config": {"n_heads": 4, "dropout": 0.25}}"#),
    ] {
        let config = folder.path().join(name);
        fs::write(&config, json).unwrap();
        let found = import(folder.path(), &ImportOptions::default()).config;
        assert_eq!((found.n_heads, found.dropout), (4, 0.25), "{json}");
        let options = ImportOptions { n_heads: Some(6), dropout: Some(0.0), ..ImportOptions::default() };
        let found = import(folder.path(), &options).config;
        assert_eq!((found.n_heads, found.dropout), (6, 0.0), "{json}");
        fs::remove_file(config).unwrap();
    }
}

#[test]
fn a_configuration_that_does_not_fit_the_tensors_is_refused_by_field() {
    let (folder, _) = alone("tiny-hf-gpt2/model.safetensors");
    let json = fs::read(reference("tiny-hf-gpt2/config.json")).unwrap();
    for (field, value) in [
        ("vocab_size", 50_257.into()),
        ("n_layer", 4.into()),
        ("activation_function", "relu".into()),
        ("layer_norm_epsilon", 1e-6.into()),
        ("scale_attn_by_inverse_layer_idx", true.into()),
        ("attn_pdrop", 0.2.into()),
        ("model_type", "gpt_bigcode".into()),
        ("n_head", "four".into()),
    ] {
        let mut config: serde_json::Value = serde_json::from_slice(&json).unwrap();
        config[field] = value;
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let message = refusal(folder.path(), &ImportOptions::default());
        let named = if field == "n_layer" { "n_layers" } else { field };
        assert!(message.contains("config.json"), "{message}");
        assert!(message.contains(named) || message.contains("\"four\""), "{message}");
    }
}

#[test]
fn damaged_files_are_refused_by_name() {
    for path in ["tiny-gpt/model.pth", "tiny-gpt/model.safetensors"] {
        let (_folder, file) = alone(path);
        let bytes = fs::read(&file).unwrap();
        for length in [0, 4, 100, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&file, &bytes[..length]).unwrap();
            let message = refusal(&file, &four_heads());
            assert!(message.contains(file.to_str().unwrap()), "{length} bytes of {path}: {message}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let message = refusal(folder.path(), &four_heads());
    assert!(
        message.contains("looked for model.safetensors, model.safetensors.index.json, model.pth"),
        "{message}"
    );
    let message = refusal(&folder.path().join("absent.pth"), &four_heads());
    assert!(message.contains("absent.pth: No such file"), "{message}");
}
