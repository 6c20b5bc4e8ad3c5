//! Tiny models, trained by the real program, and shared by all tests of a process.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use artifact::manifest::{FileEntry, FileRole};
use artifact::{Manifest, Sha256Hex, chat};

use crate::folders::copy_folder;
use crate::process::{root, run};

/// The text that tests train on: "The Verdict" in the folder that `CORPUS_DIR` names, relative to
/// the root of the checkout, or else the project's own story.
pub fn corpus() -> PathBuf {
    match std::env::var_os("CORPUS_DIR") {
        Some(folder) => root().join(folder).join("the-verdict.txt"),
        None => root().join("training/corpus/the-north-light.txt"),
    }
}

/// Writes the beginning of [`corpus`], about a thousand tokens, into a folder: the whole text takes long to evaluate.
///
/// # Errors
/// If it cannot be read or written.
pub fn excerpt(folder: &Path) -> Result<PathBuf> {
    let text = std::fs::read_to_string(corpus())?;
    let path = folder.join("excerpt.txt");
    std::fs::write(&path, text.chars().take(4_000).collect::<String>())?;
    Ok(path)
}

/// Trains the preset `tiny` into `store`, as a model of that name whatever the text is.
///
/// # Errors
/// If training fails.
pub fn train_tiny(store: &Path, seed: &str) -> Result<()> {
    let (corpus, checkpoints) = (corpus(), store.join("checkpoints"));
    let [corpus, store, checkpoints] =
        [corpus.as_path(), store, checkpoints.as_path()].map(Path::to_string_lossy);
    let output = run(
        "gpt",
        &[
            ["train", "--preset"].as_slice(),
            &["tiny", "--name", "tiny", "--corpus", &corpus, "--store", &store],
            &["--checkpoints", &checkpoints, "--set", &format!("training.seed={seed}")],
        ]
        .concat(),
    )?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A store with one version of the preset `tiny`, trained once for all tests of a process, which must not change it.
///
/// # Panics
/// If training fails.
pub fn tiny_store() -> &'static Path {
    static STORE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let store = STORE.get_or_init(|| {
        let train = || -> Result<tempfile::TempDir> {
            let folder = tempfile::tempdir()?;
            train_tiny(folder.path(), "123")?;
            Ok(folder)
        };
        train().unwrap_or_else(|error| panic!("{error:#}"))
    });
    store.path()
}

/// A copy of [`tiny_store`] with a later version, of another seed. The channel `first` names the first one. Trained
/// once for all tests of a process, which must not change it.
///
/// # Panics
/// If training fails.
pub fn store_of_two() -> &'static Path {
    static STORE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let store = STORE.get_or_init(|| {
        let train = || -> Result<tempfile::TempDir> {
            let folder = tempfile::tempdir()?;
            copy_folder(tiny_store(), folder.path())?;
            std::fs::copy(
                folder.path().join("channels/live.json"),
                folder.path().join("channels/first.json"),
            )?;
            train_tiny(folder.path(), "7")?;
            Ok(folder)
        };
        train().unwrap_or_else(|error| panic!("{error:#}"))
    });
    store.path()
}

/// The folder and the manifest of the only version in a store.
///
/// # Errors
/// If there is not exactly one.
pub fn only_version(store: &Path) -> Result<(PathBuf, Manifest)> {
    let versions = visible_versions(store)?;
    ensure!(versions.len() == 1, "expected one version, found {versions:?}");
    let json = std::fs::read(versions[0].join("manifest.json"))?;
    Ok((versions[0].clone(), Manifest::from_json(&json)?))
}

/// Gives the only version of a store a chat template, as a training that teaches to answer does. The channel `live` names
/// it.
///
/// # Errors
/// If there is not exactly one, or it cannot be written.
pub fn add_chat_template(store: &Path, source: &str) -> Result<()> {
    let (folder, mut manifest) = only_version(store)?;
    std::fs::write(folder.join(chat::FILE_NAME), source)?;
    manifest.files.push(FileEntry {
        path: chat::FILE_NAME.to_owned(),
        role: FileRole::ChatTemplate,
        bytes: source.len() as u64,
        sha256: Sha256Hex::of_bytes(source.as_bytes()),
    });
    let json = manifest.to_json()?;
    std::fs::write(folder.join("manifest.json"), &json)?;
    let channel = store.join("channels/live.json");
    let mut pointer: serde_json::Value = serde_json::from_slice(&std::fs::read(&channel)?)?;
    pointer["manifest_sha256"] = Sha256Hex::of_bytes(&json).as_str().into();
    std::fs::write(channel, pointer.to_string())?;
    Ok(())
}

/// The folders in a store that a reader would take for versions.
///
/// # Errors
/// If the store cannot be read.
pub fn visible_versions(store: &Path) -> Result<Vec<PathBuf>> {
    let mut versions = Vec::new();
    let models = store.join("models");
    if !models.exists() {
        return Ok(versions);
    }
    for model in std::fs::read_dir(models)? {
        for version in std::fs::read_dir(model?.path())? {
            let path = version?.path();
            let name = path.file_name().context("a version has a name")?;
            if !name.to_string_lossy().starts_with('.') {
                versions.push(path);
            }
        }
    }
    Ok(versions)
}
