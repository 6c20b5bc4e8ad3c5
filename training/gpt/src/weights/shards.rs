//! Index of a model in several files (shards), as Hugging Face's `save_pretrained` writes it beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::ImportError;
use super::small_file::read_small;

/// How the names of indexes end.
const SUFFIX: &str = ".index.json";

/// More than the names of any model's tensors take.
const MAX_BYTES: u64 = 16 << 20;

/// The shards of a model, and the names of the tensors in each.
pub(super) struct Index {
    pub(super) shards: BTreeMap<PathBuf, Vec<String>>,
}

impl Index {
    /// Reads an index; its shards are in the folder that it is in.
    pub(super) fn read(path: &Path) -> Result<Self, ImportError> {
        #[derive(Deserialize)]
        struct File {
            weight_map: BTreeMap<String, String>,
        }
        let invalid = |problem: String| ImportError::Index { path: path.to_owned(), problem };
        let json = read_small(path, MAX_BYTES)?.ok_or_else(|| invalid("it is not there".to_owned()))?;
        let file: File = serde_json::from_slice(&json).map_err(|error| invalid(error.to_string()))?;
        let mut shards: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
        for (name, shard) in file.weight_map {
            // A name with folders in it could lead anywhere, and an index in an index around in circles.
            if Path::new(&shard).file_name() != Some(shard.as_ref()) || is_index(Path::new(&shard)) {
                return Err(invalid(format!(
                    "tensor `{name}` is said to be in `{shard}`, expected a file beside it"
                )));
            }
            shards.entry(path.with_file_name(shard)).or_default().push(name);
        }
        Ok(Self { shards })
    }
}

/// Whether a file is an index by its name.
pub(super) fn is_index(path: &Path) -> bool {
    path.to_string_lossy().ends_with(SUFFIX)
}

/// Whether a file is one of several by its name: `model-00001-of-00003.safetensors`.
pub(super) fn is_shard(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    match stem.rsplit_once("-of-") {
        Some((start, count)) => is_number(count) && start.rsplit('-').next().is_some_and(is_number),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_and_indexes_are_known_by_their_names() {
        assert!(is_shard(Path::new("a/model-00001-of-00003.safetensors")));
        assert!(is_shard(Path::new("pytorch_model-00002-of-00002.bin")));
        assert!(!is_shard(Path::new("model.safetensors")) && !is_shard(Path::new("gpt-00001.bin")));
        assert!(is_index(Path::new("model.safetensors.index.json")));
    }

    #[test]
    fn an_index_leads_to_files_beside_it_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors.index.json");
        let read = |json: &str| {
            std::fs::write(&path, json).unwrap();
            Index::read(&path)
        };
        let index =
            read(r#"{"metadata": {}, "weight_map": {"a": "1.bin", "b": "2.bin", "c": "1.bin"}}"#).unwrap();
        assert_eq!(index.shards[&folder.path().join("1.bin")], ["a", "c"]);
        for shard in ["../1.bin", "/etc/passwd", "..", "", "model.safetensors.index.json"] {
            let json = serde_json::json!({"weight_map": {"a": shard}}).to_string();
            let message = read(&json).err().unwrap().to_string();
            assert!(
                message.contains("index.json") && message.contains("expected a file beside it"),
                "{message}"
            );
        }
        assert!(read("{}").err().unwrap().to_string().contains("missing field `weight_map`"));
    }
}
