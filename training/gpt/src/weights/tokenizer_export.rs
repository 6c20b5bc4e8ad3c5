//! Export of tokenizer and chat template in the files of Hugging Face, from which `AutoTokenizer` makes the same.

use std::fs;
use std::path::Path;

use artifact::Tokenizer;
use artifact::chat;
use artifact::tokenizer::byte_level::Vocabulary;
use artifact::tokenizer::json::{added_token, tokenizer_json};
use artifact::tokenizer::{FILE_NAME, Pattern};
use serde_json::{Map, Value};
use store::PathError;

use super::error::SaveError;
use super::language::Language;

/// File name of the settings of a tokenizer.
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// Spellings of special tokens with a role of their own, by role.
const ROLES: [(&str, &[&str]); 3] = [
    ("pad_token", &["<pad>", "<|pad|>", "[PAD]"]),
    ("mask_token", &["<mask>", "<|mask|>", "[MASK]"]),
    ("unk_token", &["<unk>", "<|unk|>", "[UNK]"]),
];

/// Writes `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json` into a folder, for a model of this
/// context length; `vocab.json` with `merges.txt` if the split pattern is GPT-2's, as they say none; and the chat template,
/// which older versions of transformers read from `tokenizer_config.json` alone.
///
/// # Errors
/// If one cannot be written.
pub fn write_tokenizer(
    language: Language<'_>,
    context_length: usize,
    folder: &Path,
) -> Result<(), SaveError> {
    let Language { tokenizer, chat_template } = language;
    let path = folder.join(FILE_NAME);
    fs::write(&path, tokenizer_json(tokenizer)).map_err(PathError::at(&path))?;
    write_json(&tokenizer_config(language, context_length), &folder.join(TOKENIZER_CONFIG))?;
    if let Some(template) = chat_template {
        let path = folder.join(chat::FILE_NAME);
        fs::write(&path, template.source()).map_err(PathError::at(&path))?;
    }
    write_json(&special_tokens(tokenizer), &folder.join("special_tokens_map.json"))?;
    if tokenizer.pattern() == Some(Pattern::Gpt2) {
        let Vocabulary { tokens, merges } = Vocabulary::of(tokenizer);
        let ids: Map<String, Value> = tokens.into_iter().zip((0_u32..).map(Value::from)).collect();
        write_json(&Value::Object(ids), &folder.join("vocab.json"))?;
        let merges: String = merges.iter().map(|(left, right)| format!("{left} {right}\n")).collect();
        let path = folder.join("merges.txt");
        fs::write(&path, format!("#version: 0.2\n{merges}")).map_err(PathError::at(&path))?;
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

fn tokenizer_config(Language { tokenizer, chat_template }: Language<'_>, context_length: usize) -> Value {
    let mut config = special_tokens(tokenizer);
    // GPT2Tokenizer has GPT-2's pattern, whatever the file says.
    config["tokenizer_class"] = match tokenizer.pattern() {
        Some(Pattern::Gpt2) => "GPT2Tokenizer".into(),
        _ => "PreTrainedTokenizerFast".into(),
    };
    config["add_prefix_space"] = tokenizer.pre_tokenizer().prefix_space.into();
    config["clean_up_tokenization_spaces"] = false.into();
    config["errors"] = "replace".into();
    config["model_max_length"] = context_length.into();
    let added = tokenizer.special_tokens().into_iter();
    let added: Map<String, Value> =
        added.map(|(id, name)| (id.to_string(), added_token(name, None))).collect();
    config["added_tokens_decoder"] = added.into();
    if let Some(template) = chat_template {
        config["chat_template"] = template.source().into();
    }
    config
}

/// The special tokens with a role. GPT-2 has one for all of them.
fn special_tokens(tokenizer: &Tokenizer) -> Value {
    let special = tokenizer.special_tokens();
    let end_of_text = tokenizer.end_of_text();
    let end_of_text = special.iter().find(|(id, _)| Some(*id) == end_of_text).map(|(_, name)| *name);
    let mut tokens = Map::new();
    for role in ["bos_token", "eos_token", "unk_token"] {
        tokens.extend(end_of_text.map(|name| (role.to_owned(), name.into())));
    }
    for (role, spellings) in ROLES {
        let found = special.iter().find(|(_, name)| spellings.contains(name));
        tokens.extend(found.map(|(_, name)| (role.to_owned(), (*name).into())));
    }
    tokens.into()
}
