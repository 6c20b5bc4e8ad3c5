//! Tests of reading and writing weights together.

use std::fs;

use ::safetensors::SafeTensors;
use artifact::GptConfig;
use artifact::config::Activation;

use super::config_file::CONFIG;
use super::safetensors::SAFETENSORS;
use super::tensor_file::TensorFile;
use super::*;
use crate::device;
use crate::model::Gpt;

fn config() -> GptConfig {
    GptConfig {
        vocab_size: 13,
        context_length: 5,
        d_model: 8,
        n_layers: 2,
        n_heads: 2,
        d_ff: 24,
        dropout: 0.0,
        qkv_bias: true,
        tied_output_head: false,
        activation: Activation::default(),
    }
}

#[test]
fn what_is_saved_is_loaded() {
    let device = device::cpu();
    let (model, other) = (Gpt::new(&config(), &device), Gpt::new(&config(), &device));
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("1"), folder.path().join("2"));
    save(&model, &first).unwrap();
    save(&load(&config(), &first, &device).unwrap(), &second).unwrap();
    assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
    save(&other, &second).unwrap();
    assert_ne!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
}

#[test]
fn names_and_layout_are_pytorchs() {
    let file = tempfile::NamedTempFile::new().unwrap();
    save(&Gpt::new(&config(), &device::cpu()), file.path()).unwrap();
    let bytes = fs::read(file.path()).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    for (name, shape) in [
        ("tok_emb.weight", vec![13, 8]),
        ("pos_emb.weight", vec![5, 8]),
        ("trf_blocks.1.att.W_key.bias", vec![8]),
        ("trf_blocks.1.att.out_proj.weight", vec![8, 8]),
        ("trf_blocks.0.ff.layers.0.weight", vec![24, 8]),
        ("trf_blocks.0.ff.layers.2.weight", vec![8, 24]),
        ("trf_blocks.0.norm2.shift", vec![8]),
        ("final_norm.scale", vec![8]),
        ("out_head.weight", vec![13, 8]),
    ] {
        assert_eq!(tensors.tensor(name).unwrap().shape(), shape, "{name}");
    }
}

#[test]
fn a_weight_that_is_missing_or_misshapen_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    save(&Gpt::new(&config(), &device::cpu()), file.path()).unwrap();
    let complaint = |config: &GptConfig| load(config, file.path(), &device::cpu()).unwrap_err().to_string();
    let message = complaint(&GptConfig { n_layers: 3, ..config() });
    assert!(message.contains("no tensor `trf_blocks.2.norm1.scale`"), "{message}");
    let message = complaint(&GptConfig { d_ff: 16, ..config() });
    assert!(
        message.contains("`trf_blocks.0.ff.layers.0.weight` is F32 [24, 8], expected F32 [16, 8]"),
        "{message}"
    );
    fs::write(file.path(), "not a model").unwrap();
    assert!(complaint(&config()).contains("neither a valid safetensors file nor a PyTorch checkpoint"));
}

#[test]
fn a_weight_without_a_place_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    save(&Gpt::new(&config(), &device::cpu()), file.path()).unwrap();
    let smaller = GptConfig { n_layers: 1, ..config() };
    let message = load(&smaller, file.path(), &device::cpu()).unwrap_err().to_string();
    assert!(message.contains("tensor `trf_blocks.1.att.W_key.bias` has no place"), "{message}");
}

#[test]
fn every_shape_is_inferred_from_both_formats() {
    let device = device::cpu();
    let options = ImportOptions { n_heads: Some(2), ..ImportOptions::default() };
    for (qkv_bias, tied_output_head) in [(false, false), (false, true), (true, false), (true, true)] {
        let config = GptConfig { qkv_bias, tied_output_head, ..config() };
        let model = Gpt::new(&config, &device);
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = (folder.path().join("ours"), folder.path().join("a/b"));
        save(&model, &ours).unwrap();
        export_hf(&model, None, &theirs).unwrap();
        assert_eq!(import(&ours, &options, &device).unwrap().config, config);
        let imported = import(&theirs, &ImportOptions::default(), &device).unwrap();
        // Hugging Face's GPT-2 always has the bias.
        assert_eq!(imported.config, GptConfig { qkv_bias: true, ..config.clone() });
        // The way through their layout changes no bit.
        if qkv_bias {
            let again = folder.path().join("again");
            save(&imported.model, &again).unwrap();
            assert_eq!(fs::read(&ours).unwrap(), fs::read(&again).unwrap());
        }
    }
}

#[test]
fn an_export_replaces_nothing_and_leaves_nothing_half_written() {
    let model = Gpt::new(&config(), &device::cpu());
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("export");
    export_hf(&model, None, &target).unwrap();
    let written = fs::read(target.join(SAFETENSORS)).unwrap();
    let message = export_hf(&model, None, &target).unwrap_err().to_string();
    assert!(message.contains("export: it exists already"), "{message}");
    assert_eq!(fs::read(target.join(SAFETENSORS)).unwrap(), written);
    // A file where the folder's parent should be.
    let message = export_hf(&model, None, &target.join(CONFIG).join("x")).unwrap_err().to_string();
    assert!(message.contains("config.json"), "{message}");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["export"]);
}

/// Names, types and shapes with zeros for numbers.
fn safetensors_file(tensors: &[(&str, &str, &[usize])]) -> tempfile::NamedTempFile {
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    for (name, dtype, shape) in tensors {
        let start = end;
        end += shape.iter().product::<usize>() * if *dtype == "I64" { 8 } else { 4 };
        let entry = serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [start, end]});
        header.insert((*name).to_owned(), entry);
    }
    let header = serde_json::Value::Object(header).to_string();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + end, 0);
    fs::write(file.path(), bytes).unwrap();
    file
}

#[test]
fn what_is_no_gpt_is_refused_before_it_takes_memory() {
    let refusal = |tensors: &[(&str, &str, &[usize])]| {
        let file = safetensors_file(tensors);
        let options = ImportOptions { n_heads: Some(1), ..ImportOptions::default() };
        import(file.path(), &options, &device::cpu()).unwrap_err().to_string()
    };
    let message = refusal(&[("encoder.weight", "F32", &[2, 2])]);
    assert!(message.contains("it holds no GPT"), "{message}");
    let message = refusal(&[("tok_emb.weight", "F32", &[4])]);
    assert!(message.contains("`tok_emb.weight` is F32 [4], expected a matrix"), "{message}");

    let embeddings: [(&str, &str, &[usize]); 3] = [
        ("tok_emb.weight", "F32", &[3, 2]),
        ("pos_emb.weight", "F32", &[4, 2]),
        ("trf_blocks.0.ff.layers.0.weight", "F32", &[8, 2]),
    ];
    let message = refusal(&embeddings);
    assert!(message.contains("it has no tensor `trf_blocks.0.norm1.scale`"), "{message}");
    let last = "trf_blocks.18446744073709551615.norm1.scale";
    let message = refusal(&[&embeddings[..], &[(last, "F32", &[2])]].concat());
    assert!(message.contains("`n_layers` is 18446744073709551615, expected a number from 1"), "{message}");
    let integers = [("tok_emb.weight", "I64", embeddings[0].2), embeddings[1], embeddings[2]];
    let message = refusal(&integers);
    assert!(message.contains("`tok_emb.weight` is I64 [3, 2], expected F32 [3, 2]"), "{message}");

    let file = safetensors_file(&embeddings);
    let bytes = fs::read(file.path()).unwrap();
    for damaged in [&bytes[..bytes.len() - 1], &[bytes.as_slice(), &[0]].concat()] {
        fs::write(file.path(), damaged).unwrap();
        let error = import(file.path(), &ImportOptions::default(), &device::cpu()).unwrap_err().to_string();
        assert!(error.contains("its header announces"), "{error}");
    }
    fs::write(file.path(), [&u64::MAX.to_le_bytes()[..], b"{}"].concat()).unwrap();
    let error = import(file.path(), &ImportOptions::default(), &device::cpu()).unwrap_err().to_string();
    assert!(error.contains("its header would take"), "{error}");
}

/// 0x3C00 is 1 in half precision, 0x3F80 in bfloat16.
#[test]
fn half_precision_is_widened() {
    for (dtype, one) in [("F16", 0x3C00u16), ("BF16", 0x3F80)] {
        let header = format!(r#"{{"x":{{"dtype":"{dtype}","shape":[2],"data_offsets":[0,4]}}}}"#);
        let file = tempfile::NamedTempFile::new().unwrap();
        let length = (header.len() as u64).to_le_bytes();
        let numbers = [one.to_le_bytes(), [0, 0]].concat();
        fs::write(file.path(), [&length[..], header.as_bytes(), &numbers].concat()).unwrap();
        let data = TensorFile::open(file.path()).unwrap().read("x", &[2]).unwrap();
        assert_eq!(data.try_to_vec::<f32>().unwrap(), [1.0, 0.0]);
    }
}
