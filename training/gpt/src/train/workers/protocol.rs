//! Messages between the processes of a training, one JSON object a line.

use std::path::PathBuf;

use artifact::GptConfig;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::corpus::Batch;
use crate::device::Arithmetic;
use crate::model::{LoraSettings, Packing};

/// What a worker is for: its first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Task {
    /// Where it computes, as on the command line.
    pub device: String,
    /// The shape of the model.
    pub model: GptConfig,
    /// How the model computes.
    pub arithmetic: Arithmetic,
    /// What is learned of it, if not its weights.
    pub lora: Option<LoraSettings>,
    /// Where its weights are before each step.
    pub weights: PathBuf,
    /// Where its gradients belong.
    pub gradients: PathBuf,
}

/// Its part of a step.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Share {
    /// Of what is drawn.
    pub seed: u64,
    /// Targets of the whole step, over which losses are averaged.
    pub of: usize,
    /// Its own batches.
    batches: Vec<SharedBatch>,
}

/// A batch in numbers.
#[derive(Debug, Serialize, Deserialize)]
struct SharedBatch {
    inputs: Ids,
    targets: Ids,
    /// Lengths of conversations, and the places that count.
    packing: Option<[Vec<usize>; 2]>,
}

/// Token ids, `[batch, seq]`.
#[derive(Debug, Serialize, Deserialize)]
struct Ids {
    shape: [usize; 2],
    ids: Vec<i64>,
}

/// What has come of it; the gradients are in their file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    /// The part of the step's mean loss; none where it is no number.
    pub loss: Option<f64>,
    /// Tokens of its batches.
    pub tokens: usize,
}

impl Share {
    pub(super) fn new(batches: &[Batch], of: usize, seed: u64) -> Self {
        let ids = |ids: &Tensor<2, Int>| Ids { shape: ids.dims(), ids: ids.to_data().iter().collect() };
        let shared = |batch: &Batch| SharedBatch {
            inputs: ids(&batch.inputs),
            targets: ids(&batch.targets),
            packing: batch
                .packing
                .as_ref()
                .map(|packing| [packing.lengths(), packing.counted()].map(<[_]>::to_vec)),
        };
        Self { seed, of, batches: batches.iter().map(shared).collect() }
    }

    pub(super) fn batches(&self, device: &Device) -> Vec<Batch> {
        let tensor = |Ids { shape, ids }: &Ids| {
            Tensor::<2, Int>::from_data(TensorData::new(ids.clone(), *shape), device)
        };
        let batch = |SharedBatch { inputs, targets, packing }: &SharedBatch| Batch {
            inputs: tensor(inputs),
            targets: tensor(targets),
            target_bytes: 0, // of a validation only
            packing: packing.clone().map(|[lengths, counted]| Packing::new(lengths, counted, device)),
        };
        self.batches.iter().map(batch).collect()
    }
}
