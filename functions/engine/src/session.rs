//! ONNX Runtime session of a model: loaded, with the operators of this crate, and checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use artifact::GptConfig;
use artifact::manifest::Precision;
use artifact::onnx::{
    INPUT_IDS, LOGIT_POSITIONS, LOGITS, POSITION_IDS, SEQLENS_K, TOTAL_SEQUENCE_LENGTH, past_key, past_value,
    present_key, present_value,
};
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use crate::cache::CacheShape;
use crate::cache::tensors::Layout;
use crate::error::EngineError;
use crate::kernel_set::Kernels;
use crate::outline::outline;
use crate::plan::SharedPlan;
use crate::runtime;
use crate::threads::ThreadPool;

/// Time that a thread of ONNX Runtime spins for its next piece of work before it sleeps. Within a run the next
/// piece comes sooner; between requests nothing should burn the processor.
const SPIN_MICROSECONDS: &str = "1000";

/// Times of the parts of loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadTimes {
    /// The ONNX Runtime library; next to nothing if it was loaded before.
    pub runtime: Duration,
    /// Reading the graph, allocating, and laying the weights out for the processor.
    pub session: Duration,
}

/// A session and what is known of its graph.
pub(crate) struct LoadedSession {
    pub(crate) session: Session,
    pub(crate) kernels: Kernels,
    /// The threads of our own operators, free between runs.
    pub(crate) pool: Option<Arc<ThreadPool>>,
    /// Tells the attention operator what it is to do.
    pub(crate) plan: SharedPlan,
    /// Of a KV cache in ONNX Runtime's tensors; none if our own operators keep it.
    pub(crate) layout: Option<Layout>,
    pub(crate) cache_shape: CacheShape,
    pub(crate) load_times: LoadTimes,
}

/// Loads the graph at `path`. Large weights of bytes are memory-mapped by ONNX Runtime.
pub(crate) fn load(
    path: &Path,
    precision: Precision,
    config: &GptConfig,
    threads: usize,
) -> Result<LoadedSession, EngineError> {
    let outline = match precision {
        // int8 or int4 weights
        Precision::W8 | Precision::W4 => outline(path),
        Precision::Float32 | Precision::Other => None, // no weights that could stay in the file
    };
    commit(path, precision, config, threads, |builder| match outline {
        Some(outline) => {
            let folder = path.parent().unwrap_or(Path::new("")).to_string_lossy();
            builder
                .clone()
                .with_config_entry("session.model_external_initializers_file_folder_path", folder)?
                .commit_from_memory(&outline)
        }
        // If the file cannot be read, ONNX Runtime says why.
        None => builder.commit_from_file(path),
    })
}

/// Loads a graph from memory, which can be released afterwards. `name` stands for it in errors.
pub(crate) fn from_memory(
    bytes: &[u8],
    name: &Path,
    precision: Precision,
    config: &GptConfig,
    threads: usize,
) -> Result<LoadedSession, EngineError> {
    commit(name, precision, config, threads, |builder| builder.commit_from_memory(bytes))
}

fn commit(
    path: &Path,
    precision: Precision,
    config: &GptConfig,
    threads: usize,
    commit: impl FnOnce(&mut SessionBuilder) -> ort::Result<Session>,
) -> Result<LoadedSession, EngineError> {
    let failed = |source: ort::Error| EngineError::Load { path: path.to_owned(), source };
    let start = Instant::now();
    let environment = runtime::environment()?;
    let runtime = start.elapsed();
    let builder = Session::builder(&environment).map_err(failed)?;
    let plan = SharedPlan::default();
    let (mut builder, kernels, pool) =
        configure(builder, precision, config, threads, &plan).map_err(failed)?;
    let session = commit(&mut builder).map_err(failed)?;
    let load_times = LoadTimes { runtime, session: start.elapsed() - runtime };

    let layout = match precision {
        Precision::W8 | Precision::W4 => Layout::InPlace,
        Precision::Float32 | Precision::Other => Layout::Growing,
    };
    check_interface(&session, config, layout, path)?;
    let layout = (kernels == Kernels::OnnxRuntime).then_some(layout);
    let head_width = head_width(&session).unwrap_or_else(|| config.d_head());
    let cache_shape = CacheShape::new(config, head_width, layout);
    Ok(LoadedSession { session, kernels, pool, plan, layout, cache_shape, load_times })
}

/// A session that is set up, the kernels of its operators, and their threads if these are ours.
type Configured = (SessionBuilder, Kernels, Option<Arc<ThreadPool>>);

/// Sets a session up, with operators of this crate where the graph has any of them and the processor can run them.
/// Graphs are exported with their
/// operators fused already; what is left for ONNX Runtime to optimise is cheap.
fn configure(
    builder: SessionBuilder,
    precision: Precision,
    config: &GptConfig,
    threads: usize,
    plan: &SharedPlan,
) -> ort::Result<Configured> {
    let (builder, kernels, pool) = with_own_kernels(builder, precision, config, threads, plan)?;
    // Our operators have threads of their own.
    let threads = if kernels == Kernels::OnnxRuntime { threads } else { 1 };
    let spins = threads > 1;
    let builder = builder
        .with_optimization_level(GraphOptimizationLevel::Level1)?
        .with_intra_threads(threads)?
        .with_intra_op_spinning(spins)?
        .with_config_entry(
            "session.intra_op.spin_duration_us",
            if spins { SPIN_MICROSECONDS } else { "0" },
        )?;
    Ok((builder, kernels, pool))
}

#[cfg(target_arch = "x86_64")]
fn with_own_kernels(
    builder: SessionBuilder,
    precision: Precision,
    config: &GptConfig,
    threads: usize,
    plan: &SharedPlan,
) -> ort::Result<Configured> {
    let shortlist = match precision {
        Precision::W4 => true,
        // Where all else has 8 bits, logits with less would be the largest error.
        Precision::W8 => false,
        Precision::Float32 | Precision::Other => return Ok((builder, Kernels::OnnxRuntime, None)),
    };
    match crate::operators::operators(config, threads, shortlist, plan)? {
        Some((operators, kernels, pool)) => Ok((builder.with_operators(operators)?, kernels, Some(pool))),
        None => Ok((builder, Kernels::OnnxRuntime, None)),
    }
}

/// There are none for this architecture.
#[cfg(not(target_arch = "x86_64"))]
fn with_own_kernels(
    builder: SessionBuilder,
    _: Precision,
    _: &GptConfig,
    _: usize,
    _: &SharedPlan,
) -> ort::Result<Configured> {
    Ok((builder, Kernels::OnnxRuntime, None))
}

/// Width of a head in the cache, if the graph fixes it.
fn head_width(session: &Session) -> Option<usize> {
    let input = session.inputs().iter().find(|input| input.name() == past_key(0))?;
    usize::try_from(*input.dtype().tensor_shape()?.get(3)?).ok()
}

fn check_interface(
    session: &Session,
    config: &GptConfig,
    layout: Layout,
    path: &Path,
) -> Result<(), EngineError> {
    let mut inputs = vec![INPUT_IDS.to_owned(), POSITION_IDS.into(), LOGIT_POSITIONS.into()];
    if layout == Layout::InPlace {
        inputs.extend([SEQLENS_K.to_owned(), TOTAL_SEQUENCE_LENGTH.into()]);
    }
    let mut outputs = vec![LOGITS.to_owned()];
    for layer in 0..config.n_layers {
        inputs.extend([past_key(layer), past_value(layer)]);
        outputs.extend([present_key(layer), present_value(layer)]);
    }
    for (what, expected, found) in
        [("input", inputs, session.inputs()), ("output", outputs, session.outputs())]
    {
        if let Some(name) = expected.into_iter().find(|name| found.iter().all(|outlet| outlet.name() != name))
        {
            return Err(EngineError::Interface { path: PathBuf::from(path), what, name });
        }
    }
    Ok(())
}
