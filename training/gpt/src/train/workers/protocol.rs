//! Messages between the processes of a training, one JSON object a line.

use std::path::PathBuf;

use artifact::GptConfig;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::corpus::Batch;
use crate::device::Arithmetic;

/// What a worker is for: its first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Task {
    /// Where it computes, as on the command line.
    pub device: String,
    /// The shape of the model.
    pub model: GptConfig,
    /// How the model computes.
    pub arithmetic: Arithmetic,
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
    /// Batches of the whole step, over which losses are averaged.
    pub of: usize,
    /// Inputs and targets of its own ones.
    batches: Vec<[Ids; 2]>,
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
        let batches = batches.iter().map(|batch| [&batch.inputs, &batch.targets].map(ids));
        Self { seed, of, batches: batches.collect() }
    }

    pub(super) fn batches(&self, device: &Device) -> Vec<Batch> {
        let tensor = |Ids { shape, ids }: &Ids| {
            Tensor::<2, Int>::from_data(TensorData::new(ids.clone(), *shape), device)
        };
        let batch = |[inputs, targets]: &[Ids; 2]| Batch {
            inputs: tensor(inputs),
            targets: tensor(targets),
            target_bytes: 0, // of a validation only
        };
        self.batches.iter().map(batch).collect()
    }
}
