//! An exported model and its key-value cache.

use std::path::Path;

use artifact::GptConfig;
use artifact::onnx::{
    INPUT_IDS, LOGIT_POSITIONS, LOGITS, POSITION_IDS, past_key, past_value, present_key, present_value,
};
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Tensor};

use crate::error::EngineError;
use crate::runtime;

/// A model loaded into ONNX Runtime.
pub struct OnnxModel {
    session: Session,
    config: GptConfig,
}

/// Keys and values of the positions that have been run, so that no position is computed twice.
pub struct KvCache {
    /// Key and value of each layer, f32 `[1, n_heads, length, d_head]`.
    layers: Vec<(DynValue, DynValue)>,
    length: usize,
}

impl KvCache {
    /// Number of positions in the cache.
    pub fn length(&self) -> usize {
        self.length
    }
}

impl OnnxModel {
    /// Loads the graph at `path`, which has the shape `config`, to run on `threads` threads.
    ///
    /// # Errors
    /// If ONNX Runtime is missing or refuses the file, or the graph is not one of the exporter's.
    pub fn load(path: &Path, config: &GptConfig, threads: usize) -> Result<Self, EngineError> {
        let failed = |source: ort::Error| EngineError::Load { path: path.to_owned(), source };
        let environment = runtime::environment()?;
        let session = Session::builder(&environment)
            .and_then(|builder| builder.with_intra_threads(threads)?.commit_from_file(path))
            .map_err(failed)?;

        let (mut inputs, mut outputs) = (
            vec![INPUT_IDS.to_owned(), POSITION_IDS.into(), LOGIT_POSITIONS.into()],
            vec![LOGITS.to_owned()],
        );
        for layer in 0..config.n_layers {
            inputs.extend([past_key(layer), past_value(layer)]);
            outputs.extend([present_key(layer), present_value(layer)]);
        }
        for (what, expected, found) in
            [("input", inputs, session.inputs()), ("output", outputs, session.outputs())]
        {
            if let Some(name) =
                expected.into_iter().find(|name| found.iter().all(|outlet| outlet.name() != name))
            {
                return Err(EngineError::Interface { path: path.to_owned(), what, name });
            }
        }
        Ok(Self { session, config: config.clone() })
    }

    /// Its shape.
    pub fn config(&self) -> &GptConfig {
        &self.config
    }

    /// A cache without positions.
    ///
    /// # Errors
    /// If ONNX Runtime cannot make a tensor.
    pub fn empty_cache(&self) -> Result<KvCache, EngineError> {
        let shape = [1, self.config.n_heads, 0, self.config.d_head()];
        let empty = || Ok::<_, ort::Error>(Tensor::from_array((shape, Vec::<f32>::new()))?.into_dyn());
        let layers = (0..self.config.n_layers).map(|_| Ok((empty()?, empty()?)));
        Ok(KvCache { layers: layers.collect::<Result<_, ort::Error>>()?, length: 0 })
    }

    /// Runs the positions that follow those in the cache, adds them to it, and calls `read` with the
    /// logits at the `wanted` ones of them, `[wanted, vocab_size]` in one row.
    ///
    /// `ids` and the cache together must fit into the context; `wanted` counts from the first of
    /// `ids`.
    ///
    /// # Errors
    /// If an id is outside the vocabulary or ONNX Runtime fails; the cache is then as it was.
    pub fn run<R>(
        &mut self,
        ids: &[u32],
        wanted: &[usize],
        cache: &mut KvCache,
        read: impl FnOnce(&[f32]) -> R,
    ) -> Result<R, EngineError> {
        let vocab_size = self.config.vocab_size;
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(EngineError::TokenOutOfRange { id, vocab_size });
        }
        let (past, total) = (cache.length, cache.length + ids.len());
        let row = |values: Vec<i64>| Tensor::from_array(([1, values.len()], values));
        let input_ids = row(ids.iter().map(|&id| i64::from(id)).collect())?;
        let position_ids = row((past as i64..total as i64).collect())?;
        let wanted: Vec<i64> = wanted.iter().map(|&position| position as i64).collect();
        let logit_positions = Tensor::from_array(([wanted.len()], wanted))?;

        let mut inputs: Vec<(String, SessionInputValue<'_>)> = vec![
            (INPUT_IDS.to_owned(), input_ids.into()),
            (POSITION_IDS.to_owned(), position_ids.into()),
            (LOGIT_POSITIONS.to_owned(), logit_positions.into()),
        ];
        for (layer, (key, value)) in cache.layers.iter().enumerate() {
            inputs.push((past_key(layer), key.into()));
            inputs.push((past_value(layer), value.into()));
        }
        let mut outputs = self.session.run(inputs)?;

        let missing = |name: String| ort::Error::new(format!("the run gave no output `{name}`"));
        let mut take = |name: String| outputs.remove(&name).ok_or_else(|| missing(name));
        let layers = (0..self.config.n_layers)
            .map(|layer| Ok((take(present_key(layer))?, take(present_value(layer))?)))
            .collect::<Result<_, ort::Error>>()?;
        let logits = take(LOGITS.to_owned())?;
        let (_, logits) = logits.try_extract_tensor::<f32>()?;
        let result = read(logits);
        *cache = KvCache { layers, length: total };
        Ok(result)
    }
}
