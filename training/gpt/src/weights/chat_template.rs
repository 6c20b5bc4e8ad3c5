//! Chat template beside a file of weights, as Hugging Face's transformers keep it.

use std::path::{Path, PathBuf};

use artifact::ChatTemplate;
use artifact::chat::{FILE_NAME, MAX_FILE_BYTES};
use serde::Deserialize;

use super::error::ImportError;
use super::small_file::read_small;
use super::tokenizer_export::TOKENIZER_CONFIG;

/// More than the settings of a tokenizer need, with a template among them.
const MAX_CONFIG_BYTES: u64 = 16 << 20;

/// Name of the template that counts where there are several, for tools and the like.
const DEFAULT: &str = "default";

/// Settings of a tokenizer; other fields are ignored.
#[derive(Deserialize)]
struct Config {
    chat_template: Option<Field>,
}

/// What transformers write into the field.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected `chat_template` to be a text, or a list of objects with `name` and `template`"
)]
enum Field {
    One(String),
    Several(Vec<Named>),
}

#[derive(Deserialize)]
struct Named {
    name: String,
    template: String,
}

/// The template in a folder: that of `chat_template.jinja`, or else of the field in `tokenizer_config.json`.
///
/// # Errors
/// If it cannot be read, or is none.
pub(super) fn beside(folder: &Path) -> Result<Option<ChatTemplate>, ImportError> {
    let (path, source) = match in_file(folder.join(FILE_NAME))? {
        Some(found) => found,
        None => match in_config(folder.join(TOKENIZER_CONFIG))? {
            Some(found) => found,
            None => return Ok(None),
        },
    };
    match ChatTemplate::new(&source) {
        Ok(template) => Ok(Some(template)),
        Err(source) => Err(ImportError::ChatTemplate { path, reason: source.to_string() }),
    }
}

fn in_file(path: PathBuf) -> Result<Option<(PathBuf, String)>, ImportError> {
    let Some(bytes) = read_small(&path, MAX_FILE_BYTES + 1)? else { return Ok(None) };
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let reason = format!("it is longer than {MAX_FILE_BYTES} bytes");
        return Err(ImportError::ChatTemplate { path, reason });
    }
    match String::from_utf8(bytes) {
        Ok(source) => Ok(Some((path, source))),
        Err(error) => Err(ImportError::ChatTemplate { path, reason: error.to_string() }),
    }
}

fn in_config(path: PathBuf) -> Result<Option<(PathBuf, String)>, ImportError> {
    let Some(json) = read_small(&path, MAX_CONFIG_BYTES)? else { return Ok(None) };
    let config: Config = serde_json::from_slice(&json)
        .map_err(|source| ImportError::ConfigFile { path: path.clone(), source })?;
    let source = match config.chat_template {
        None => None,
        Some(Field::One(source)) => Some(source),
        Some(Field::Several(several)) => {
            let names: Vec<_> = several.iter().map(|named| format!("`{}`", named.name)).collect();
            let default = several.into_iter().find(|named| named.name == DEFAULT);
            let Some(default) = default else {
                let found = names.join(", ");
                let reason =
                    format!("expected a template of the name `{DEFAULT}` in its list, found {found}");
                return Err(ImportError::ChatTemplate { path, reason });
            };
            Some(default.template)
        }
    };
    Ok(source.map(|source| (path, source)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;

    fn found(files: &[(&str, &str)]) -> Result<Option<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, contents) in files {
            fs::write(folder.path().join(name), contents).unwrap();
        }
        let template = beside(folder.path()).map_err(|error| error.to_string())?;
        Ok(template.map(|template| template.source().to_owned()))
    }

    fn in_field(field: &Value) -> Result<Option<String>, String> {
        found(&[(TOKENIZER_CONFIG, &json!({"eos_token": "x", "chat_template": field}).to_string())])
    }

    #[test]
    fn a_file_outweighs_the_field() {
        let config = (TOKENIZER_CONFIG, r#"{"chat_template": "of the field"}"#);
        assert_eq!(found(&[config, (FILE_NAME, "of the file")]), Ok(Some("of the file".to_owned())));
        assert_eq!(found(&[config]), Ok(Some("of the field".to_owned())));
        assert_eq!(found(&[(TOKENIZER_CONFIG, "{}")]), Ok(None));
        assert_eq!(found(&[]), Ok(None));
    }

    #[test]
    fn of_several_the_default_counts() {
        let several = json!([{"name": "rag", "template": "a"}, {"name": "default", "template": "b"}]);
        assert_eq!(in_field(&several), Ok(Some("b".to_owned())));
        let error = in_field(&json!([{"name": "rag", "template": "a"}])).unwrap_err();
        assert!(error.contains("`default`") && error.contains("found `rag`"), "{error}");
        let error = in_field(&json!(7)).unwrap_err();
        assert!(error.contains(TOKENIZER_CONFIG) && error.contains("to be a text, or a list"), "{error}");
    }

    #[test]
    fn what_is_no_template_is_refused_by_file() {
        let error = found(&[(FILE_NAME, "{% for %}")]).unwrap_err();
        assert!(error.contains(FILE_NAME) && error.contains("in line 1"), "{error}");
        let long = "x".repeat(MAX_FILE_BYTES as usize + 1);
        assert!(found(&[(FILE_NAME, &long)]).unwrap_err().contains("longer than 1048576 bytes"));
    }
}
