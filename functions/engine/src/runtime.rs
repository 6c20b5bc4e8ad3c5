//! ONNX Runtime library: found, loaded and set up once in a process.

use std::env;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;

use crate::error::EngineError;

/// Names the library explicitly.
const LIBRARY_VARIABLE: &str = "ORT_DYLIB_PATH";
/// Name of the library beside the executable, as it is packed for Lambda.
const LIBRARY_NAME: &str = "libonnxruntime.so";

/// ONNX Runtime allows one environment in a process.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// The ONNX Runtime environment of this process, loaded at the first call from `ORT_DYLIB_PATH` or
/// else from beside the executable.
///
/// # Errors
/// If telemetry has not been disabled, or the library is missing or does not load.
pub fn environment() -> Result<Environment, EngineError> {
    let mut environment = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = environment.as_ref() {
        return Ok(environment.clone());
    }
    // The library reads the variable when it is loaded, and only then.
    if env::var("ORT_DISABLE_TELEMETRY").as_deref() != Ok("1") {
        return Err(EngineError::Telemetry);
    }
    let path = library_path()?;
    let failed = |reason: String| EngineError::Library { path: path.clone(), reason };
    let loaded = ort::init_from(&path)
        .map_err(|error| failed(error.to_string()))?
        .with_name("troelsllm")
        .with_telemetry(false)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    Ok(environment.insert(loaded).clone())
}

fn library_path() -> Result<PathBuf, EngineError> {
    if let Some(path) = env::var_os(LIBRARY_VARIABLE) {
        return Ok(path.into());
    }
    let beside_executable = env::current_exe().unwrap_or_default().with_file_name(LIBRARY_NAME);
    if beside_executable.exists() {
        return Ok(beside_executable);
    }
    Err(EngineError::NoLibrary { beside_executable })
}
