//! Hugging Face's `tokenizer.json`, written for every tokenizer.

use serde_json::{Map, Value, json};

use super::byte_level::Vocabulary;
use super::pattern::Pattern;
use super::pre_tokenizer::PreTokenizer;
use super::tokenizer::Tokenizer;

/// The `tokenizer.json` of a tokenizer, with which Hugging Face's library gives the same ids.
pub fn tokenizer_json(tokenizer: &Tokenizer) -> Vec<u8> {
    let Vocabulary { tokens, merges } = Vocabulary::of(tokenizer);
    let ids: Map<String, Value> = tokens.into_iter().zip((0_u32..).map(Value::from)).collect();
    let merges: Vec<String> = merges.into_iter().map(|(left, right)| format!("{left} {right}")).collect();
    let before = tokenizer.pre_tokenizer();
    let normalizer = before.normalizer.map(|normalizer| json!({"type": normalizer.to_string()}));
    let special = tokenizer.special_tokens();
    let special: Vec<Value> = special.into_iter().map(|(id, name)| added_token(name, Some(id))).collect();
    let json = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": special,
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer(&before),
        "post_processor": byte_level(true, false, true),
        "decoder": byte_level(true, true, true),
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
    });
    format!("{json:#}\n").into_bytes()
}

/// A special token as Hugging Face's files have it, with its id if the place does not say it.
pub fn added_token(name: &str, id: Option<u32>) -> Value {
    let mut token = json!({
        "content": name,
        "single_word": false,
        "lstrip": false,
        "rstrip": false,
        "normalized": true,
        "special": true,
    });
    if let Some(id) = id {
        token["id"] = id.into();
    }
    token
}

pub(super) fn byte_level(add_prefix_space: bool, trim_offsets: bool, use_regex: bool) -> Value {
    json!({
        "type": "ByteLevel",
        "add_prefix_space": add_prefix_space,
        "trim_offsets": trim_offsets,
        "use_regex": use_regex,
    })
}

fn pre_tokenizer(PreTokenizer { prefix_space, splits, pattern, .. }: &PreTokenizer) -> Value {
    let by_itself = *pattern == Some(Pattern::Gpt2);
    let last = pattern.filter(|_| !by_itself).map(Pattern::expression);
    let steps = splits.iter().map(String::as_str).chain(last).map(|expression| {
        json!({
            "type": "Split",
            "pattern": {"Regex": expression},
            "behavior": "Isolated",
            "invert": false,
        })
    });
    let mut steps: Vec<Value> = steps.collect();
    let byte_level = byte_level(*prefix_space, true, by_itself);
    if steps.is_empty() {
        return byte_level;
    }
    steps.push(byte_level);
    json!({"type": "Sequence", "pretokenizers": steps})
}
