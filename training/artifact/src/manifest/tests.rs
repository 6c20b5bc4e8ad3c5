//! Tests of manifests: round trips, refusals, damaged bytes.

use crate::config::{Activation, GptConfig};
use crate::hash::Sha256Hex;

use super::*;

fn evaluation(val_loss: f64) -> EvaluationSummary {
    let (bits_per_byte, text_bytes) = (Some(0.75), Some(123));
    EvaluationSummary { val_loss, perplexity: 7.389, tokens: 32, bits_per_byte, text_bytes }
}

fn example() -> Manifest {
    Manifest {
        format_version: FORMAT_VERSION,
        name: "the-verdict".to_owned(),
        version: "20261123T120000Z-0123abcd".to_owned(),
        created_at: "2026-11-23T12:00:00Z".to_owned(),
        source_commit: None,
        image_digest: None,
        job_id: None,
        config: GptConfig {
            vocab_size: 97,
            context_length: 32,
            d_model: 48,
            n_layers: 3,
            n_heads: 4,
            d_ff: 192,
            dropout: 0.0,
            qkv_bias: false,
            tied_output_head: false,
            activation: Activation::default(),
        },
        tokenizer: Some(TokenizerRef { name: "gpt2".to_owned(), sha256: Sha256Hex::of_bytes(b"vocabulary") }),
        files: Vec::new(),
        variants: Vec::new(),
        evaluation: Some(evaluation(2.0)),
        training: Some(TrainingSummary {
            corpus: Vec::new(),
            epochs: 1,
            steps: 9,
            hyper_parameters: serde_json::json!({}),
            final_train_loss: 1.0,
            final_val_loss: 2.0,
            wall_seconds: 3.0,
            device: "cpu".to_owned(),
            peak_memory_bytes: None,
        }),
        imported_from: None,
        example_prompts: vec!["The painting was".to_owned()],
        parent: None,
    }
}

fn refusal(change: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut json = serde_json::to_value(example()).unwrap();
    change(&mut json);
    Manifest::from_json(json.to_string().as_bytes()).unwrap_err().to_string()
}

#[test]
fn survives_the_round_trip() {
    let manifest = example();
    assert_eq!(Manifest::from_json(&manifest.to_json().unwrap()).unwrap(), manifest);
}

/// A number that a parser which is content with nearly all digits gets wrong by one.
#[test]
fn a_copy_of_a_copy_is_the_same_to_the_last_digit() {
    let manifest = Manifest { evaluation: Some(evaluation(4.6564189747506036e-14)), ..example() };
    assert_eq!(Manifest::from_json(&manifest.to_json().unwrap()).unwrap(), manifest);
}

/// Versions that were published before losses were counted in bits per byte.
#[test]
fn a_manifest_without_bits_per_byte_is_read_and_copied_as_it_is() {
    let mut json = serde_json::to_value(example()).unwrap();
    for field in ["bits_per_byte", "text_bytes"] {
        assert!(json["evaluation"].as_object_mut().unwrap().remove(field).is_some());
    }
    let manifest = Manifest::from_json(json.to_string().as_bytes()).unwrap();
    let evaluation = manifest.evaluation.unwrap();
    assert_eq!((evaluation.bits_per_byte, evaluation.text_bytes), (None, None));
    assert_eq!(serde_json::to_value(manifest).unwrap(), json);
}

#[test]
fn a_precision_is_known_by_its_name() {
    assert_eq!("w4".parse(), Ok(Precision::W4));
    assert_eq!("float32".parse(), Ok(Precision::Float32));
    let error = "other".parse::<Precision>().unwrap_err().to_string();
    assert!(error.contains("expected w4, w8 or float32"), "{error}");
}

#[test]
fn another_format_version_is_refused_whatever_else_it_holds() {
    let error = Manifest::from_json(br#"{"format_version": 2, "shape": "new"}"#).unwrap_err();
    assert!(matches!(error, ManifestError::FormatVersion { found: 2 }), "{error}");
}

#[test]
fn what_cannot_be_right_is_refused_by_field() {
    assert!(refusal(|json| json["name"] = "../up".into()).contains("`name`"));
    assert!(refusal(|json| json["version"] = ".hidden".into()).contains("`version`"));
    assert!(refusal(|json| json["config"]["n_heads"] = 5.into()).contains("`n_heads`"));
    assert!(refusal(|json| json["config"] = serde_json::Value::Null).contains("valid manifest"));
    let entry = serde_json::json!([{"path": "a/b", "role": "onnx", "bytes": 1, "sha256": "0".repeat(64)}]);
    assert!(refusal(|json| json["files"] = entry).contains("`files.path`"));
    let variant = serde_json::json!([{
        "precision": "float32", "file": "model.onnx", "bytes": 1,
        "val_loss": null, "perplexity": null,
        "kl_divergence": 0.0, "top_1_agreement": 1.0, "largest_logit_difference": 0.0,
    }]);
    assert!(refusal(|json| json["variants"] = variant).contains("`variants.file`"));
}

#[test]
fn a_name_cannot_leave_its_folder() {
    assert!(["model.w4.onnx", "the-verdict", "20261123T120000Z-0123abcd"].into_iter().all(is_safe_name));
    assert!(["", ".", "..", "a/b", "a\\b", "-x", "é", "a b"].into_iter().all(|name| !is_safe_name(name)));
}

mod any_bytes {
    use proptest::prelude::*;

    use super::*;

    /// A manifest with some of its bytes replaced, left out or doubled, or any bytes at all.
    fn damaged() -> impl Strategy<Value = Vec<u8>> {
        let edit = (any::<prop::sample::Index>(), any::<u8>(), 0..4_u8);
        let edited = prop::collection::vec(edit, 1..6).prop_map(|edits| {
            let mut bytes = example().to_json().unwrap();
            for (index, byte, kind) in edits {
                let index = index.index(bytes.len());
                match kind {
                    0 => bytes[index] = byte,
                    1 => bytes[index] = b"0123456789-.e\"{}[],:"[usize::from(byte) % 20],
                    2 => drop(bytes.remove(index)),
                    _ => bytes.insert(index, bytes[index]),
                }
            }
            bytes
        });
        prop_oneof![edited, any::<Vec<u8>>()]
    }

    proptest! {
        /// What is taken can be written and read again; everything else is an error.
        #[test]
        fn are_a_manifest_or_an_error(bytes in damaged()) {
            if let Ok(manifest) = Manifest::from_json(&bytes) {
                prop_assert!(manifest.config.num_parameters() > 0);
                let again = Manifest::from_json(&manifest.to_json().unwrap()).unwrap();
                prop_assert_eq!(again, manifest);
            }
        }
    }
}
