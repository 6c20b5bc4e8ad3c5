//! Export of the tokenizer in the files of Hugging Face, from which `AutoTokenizer` makes GPT-2's.

use std::fs;
use std::path::Path;

use artifact::Tokenizer;
use artifact::tokenizer::END_OF_TEXT;
use artifact::tokenizer::byte_level::{END_OF_TEXT_NAME, Vocabulary};
use serde_json::{Map, Value, json};
use store::PathError;

use super::error::SaveError;

/// Writes `tokenizer.json`, `vocab.json`, `merges.txt`, `tokenizer_config.json` and `special_tokens_map.json` into a
/// folder, for a model of this context length.
///
/// # Errors
/// If one cannot be written.
pub fn write_tokenizer(tokenizer: &Tokenizer, context_length: usize, folder: &Path) -> Result<(), SaveError> {
    let Vocabulary { tokens, merges } = Vocabulary::of(tokenizer)?;
    let ids: Map<String, Value> = tokens.into_iter().zip((0_u32..).map(Value::from)).collect();
    let ids = Value::Object(ids);
    let merges: Vec<String> = merges.into_iter().map(|(left, right)| format!("{left} {right}")).collect();
    let path = folder.join("merges.txt");
    fs::write(&path, format!("#version: 0.2\n{}\n", merges.join("\n"))).map_err(PathError::at(&path))?;
    for (name, json) in [
        ("vocab.json", &ids),
        ("tokenizer.json", &tokenizer_json(&ids, &merges)),
        ("tokenizer_config.json", &tokenizer_config(context_length)),
        ("special_tokens_map.json", &special_tokens()),
    ] {
        write_json(json, &folder.join(name))?;
    }
    Ok(())
}

/// Writes JSON to a file.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write_json(json: &Value, path: &Path) -> Result<(), SaveError> {
    Ok(fs::write(path, format!("{json:#}\n")).map_err(PathError::at(path))?)
}

fn tokenizer_json(ids: &Value, merges: &[String]) -> Value {
    let byte_level = |add_prefix_space: bool, trim_offsets: bool| {
        json!({
            "type": "ByteLevel",
            "add_prefix_space": add_prefix_space,
            "trim_offsets": trim_offsets,
            "use_regex": true,
        })
    };
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [end_of_text_token(true)],
        "normalizer": null,
        "pre_tokenizer": byte_level(false, true),
        "post_processor": byte_level(true, false),
        "decoder": byte_level(true, true),
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
            "vocab": ids,
            "merges": merges,
        },
    })
}

fn tokenizer_config(context_length: usize) -> Value {
    let mut config = special_tokens();
    config["tokenizer_class"] = "GPT2Tokenizer".into();
    config["add_prefix_space"] = false.into();
    config["clean_up_tokenization_spaces"] = false.into();
    config["errors"] = "replace".into();
    config["model_max_length"] = context_length.into();
    config["added_tokens_decoder"] = json!({END_OF_TEXT.to_string(): end_of_text_token(false)});
    config
}

fn special_tokens() -> Value {
    json!({"bos_token": END_OF_TEXT_NAME, "eos_token": END_OF_TEXT_NAME, "unk_token": END_OF_TEXT_NAME})
}

/// The token between documents, with its id if the place does not say it.
fn end_of_text_token(with_id: bool) -> Value {
    let mut token = json!({
        "content": END_OF_TEXT_NAME,
        "single_word": false,
        "lstrip": false,
        "rstrip": false,
        "normalized": true,
        "special": true,
    });
    if with_id {
        token["id"] = END_OF_TEXT.into();
    }
    token
}
