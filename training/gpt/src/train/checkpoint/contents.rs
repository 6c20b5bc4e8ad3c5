//! Contents of a checkpoint: the state of a run as files, with a hash of each.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use artifact::Sha256Hex;
use burn::module::Module;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::PathError;

use super::difference::first_difference;
use super::error::CheckpointError;
use super::layout::{BEST, MODEL, OPTIMIZER, STATE, name_of};
use crate::model::Gpt;
use crate::train::state::{Position, State};

/// A year of evaluations is far below this.
const MAX_STATE_BYTES: u64 = 1 << 26;

/// Contents of `state.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateFile {
    position: Position,
    /// Identity of the run; a checkpoint continues no other.
    run: Value,
    files: Vec<(String, Sha256Hex)>,
}

/// Writes a state into an empty folder, with copies of the files `records`.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn write(
    folder: &Path,
    state: &State,
    run: &Value,
    records: &[PathBuf],
) -> Result<(), CheckpointError> {
    let path = |name: &str| folder.join(name);
    let failed = |name: &str, reason: String| CheckpointError::Damaged { path: path(name), reason };

    let mut names = vec![MODEL.to_owned(), OPTIMIZER.to_owned()];
    save(&state.model, &path(MODEL)).map_err(|error| failed(MODEL, error))?;
    state.optimizer.save(path(OPTIMIZER)).map_err(|error| failed(OPTIMIZER, error.to_string()))?;
    if let Some(best) = &state.best {
        save(best, &path(BEST)).map_err(|error| failed(BEST, error))?;
        names.push(BEST.to_owned());
    }
    for record in records {
        let name = name_of(record);
        fs::copy(record, path(&name)).map_err(PathError::at(record))?;
        names.push(name);
    }
    let mut files = Vec::new();
    for name in names {
        let file = path(&name);
        let (sha256, _) = Sha256Hex::of_file(&file).map_err(PathError::at(&file))?;
        files.push((name, sha256));
    }
    let contents = StateFile { position: state.position.clone(), run: run.clone(), files };
    let json = serde_json::to_vec(&contents).map_err(|error| failed(STATE, error.to_string()))?;
    let file = path(STATE);
    Ok(fs::write(&file, json).map_err(PathError::at(&file))?)
}

/// Writes the weights of a model, or what is learned in their place: these stay as they are.
fn save(model: &Gpt, path: &Path) -> Result<(), String> {
    let saved = match model.adapters() {
        Some(adapters) => adapters.save_file(path),
        None => model.clone().save_file(path),
    };
    saved.map(drop).map_err(|error| error.to_string())
}

/// The model with what [`save`] has written of it.
fn load(model: &Gpt, path: &Path) -> Result<Gpt, String> {
    match model.adapters() {
        Some(adapters) => {
            let adapters = adapters.try_load_file(path).map_err(|error| error.to_string())?;
            Ok(model.clone().with_adapters(adapters))
        }
        None => model.clone().try_load_file(path).map_err(|error| error.to_string()),
    }
}

/// How far the run had come whose `state.json` lies at `path`, and its identity.
///
/// # Errors
/// If the file is missing or damaged.
pub(super) fn read_position(path: &Path) -> Result<(Position, Value), CheckpointError> {
    read_state(path).map(|contents| (contents.position, contents.run))
}

fn read_state(path: &Path) -> Result<StateFile, CheckpointError> {
    let mut json = Vec::new();
    let file = File::open(path).map_err(PathError::at(path))?;
    file.take(MAX_STATE_BYTES).read_to_end(&mut json).map_err(PathError::at(path))?;
    serde_json::from_slice(&json)
        .map_err(|error| CheckpointError::Damaged { path: path.to_owned(), reason: error.to_string() })
}

/// Reads the state in a folder. `model` and `optimizer` have the shapes that are to be filled.
///
/// # Errors
/// If it is damaged, or belongs to another run than `run`.
pub(super) fn read(
    folder: &Path,
    run: &Value,
    model: &Gpt,
    optimizer: ModuleOptimizer,
) -> Result<State, CheckpointError> {
    let damaged = |name: &str, reason: String| CheckpointError::Damaged { path: folder.join(name), reason };
    let contents = read_state(&folder.join(STATE))?;
    if let Some(difference) = first_difference("", &contents.run, run) {
        return Err(CheckpointError::OtherRun { path: folder.to_owned(), difference });
    }
    for (name, expected) in &contents.files {
        let path = folder.join(Path::new(name).file_name().unwrap_or_default());
        let (found, _) = Sha256Hex::of_file(&path).map_err(PathError::at(&path))?;
        if found != *expected {
            return Err(damaged(name, format!("its sha256 is {found}, expected {expected}")));
        }
    }
    let load = |name: &str| load(model, &folder.join(name)).map_err(|error| damaged(name, error));
    let record = OptimizerRecord::load(folder.join(OPTIMIZER))
        .map_err(|error| damaged(OPTIMIZER, error.to_string()))?;
    Ok(State {
        position: contents.position,
        model: load(MODEL)?,
        optimizer: optimizer.load_record(record),
        best: if folder.join(BEST).exists() { Some(load(BEST)?.valid()) } else { None },
    })
}
