//! Data-parallel training: processes that each compute the gradients of a part of a step's batches.
//!
//! The first process is the one that trains: it has the optimizer, evaluates, and writes checkpoints. Before each step it
//! writes its weights into shared memory and tells the others, its workers, their batches; they write gradients into shared
//! memory, and it adds them up in their order. So a worker has no state: a run may go on with more of them or fewer, and
//! the same number gives the same weights, bit for bit, where the device's sums are ordered.
//!
//! - `protocol`: what the processes tell each other, in lines;
//! - `parameters_file`: weights and gradients in a file;
//! - [`serve`]: what a worker does.

mod parameters_file;
mod protocol;
mod serve;

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use burn::optim::{GradientsAccumulator, GradientsParams};
use tempfile::TempDir;

use self::parameters_file::{read_gradients, write_weights};
use self::protocol::{Answer, Share, Task};
use super::gradients::{n_targets, of_batches};
use crate::corpus::Batch;
use crate::device::{Arithmetic, DeviceChoice, DeviceError, UnknownDevice};
use crate::model::{Gpt, LoraSettings};

pub use serve::serve;

/// Memory that processes share, in the form of files.
const SHARED_MEMORY: &str = "/dev/shm";

/// A worker that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It could not be started, or shared memory not be written.
    #[error("{what}: {source}")]
    Io {
        /// What could not be done.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It has ended before its work was done.
    #[error("the worker on {device} ended before the training: what it said stands above")]
    Ended {
        /// Where it computed.
        device: DeviceChoice,
    },
    /// It said something that it should not.
    #[error("the worker on {device} is of another build: {source}")]
    Protocol {
        /// Where it computes.
        device: DeviceChoice,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// There is no such device.
    #[error(transparent)]
    UnknownDevice(#[from] UnknownDevice),
    /// Its device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> WorkerError {
    move |source| WorkerError::Io { what: what.into(), source }
}

/// The workers of a run, which end when this is dropped.
pub struct Workers {
    /// With the weights, and the gradients of each.
    folder: TempDir,
    workers: RefCell<Vec<Worker>>,
}

struct Worker {
    device: DeviceChoice,
    process: Child,
    /// Dropped first: that it ends is what ends the worker.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    gradients: PathBuf,
}

impl Workers {
    /// Starts `program worker` for each device, to compute gradients of models of this shape.
    ///
    /// # Errors
    /// If one cannot be started.
    pub fn start(
        program: &Path,
        devices: &[DeviceChoice],
        model: &artifact::GptConfig,
        arithmetic: Arithmetic,
        lora: Option<&LoraSettings>,
    ) -> Result<Self, WorkerError> {
        let shared = Path::new(SHARED_MEMORY);
        let parent = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("gpt-workers-").tempdir_in(&parent);
        let folder = folder.map_err(failed(format!("making a folder in {}", parent.display())))?;
        let start = |(rank, &device): (usize, &DeviceChoice)| {
            let gradients = folder.path().join(format!("gradients-{rank}"));
            let task = Task {
                device: device.to_string(),
                model: model.clone(),
                arithmetic,
                lora: lora.cloned(),
                weights: weights_file(folder.path()),
                gradients: gradients.clone(),
            };
            Worker::start(program, device, gradients, &task)
        };
        let workers = devices.iter().enumerate().map(start).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { folder, workers: RefCell::new(workers) })
    }

    /// Gradients of the mean loss over some batches, that loss, and the number of tokens. The first process computes its
    /// part while the workers do. `seed` is that of what is drawn for the step.
    ///
    /// # Errors
    /// If a worker has ended, or shared memory is full.
    pub fn gradients(
        &self,
        model: &Gpt,
        batches: &[Batch],
        seed: u64,
    ) -> Result<(GradientsParams, f64, usize), WorkerError> {
        let mut workers = self.workers.borrow_mut();
        let path = weights_file(self.folder.path());
        write_weights(model, &path).map_err(failed(format!("writing {}", path.display())))?;
        let ranks = workers.len() + 1;
        let part = |rank: usize| batches.iter().skip(rank).step_by(ranks).cloned().collect::<Vec<_>>();
        for (index, worker) in workers.iter_mut().enumerate() {
            let rank = index + 1;
            let seed = seed_of(seed, rank);
            worker.tell(&Share::new(&part(rank), n_targets(batches), seed))?;
        }
        let (gradients, mut loss, mut tokens) = of_batches(model, &part(0), n_targets(batches));
        let mut accumulator = GradientsAccumulator::new();
        accumulator.accumulate(model, gradients);
        for worker in workers.iter_mut() {
            let answer = worker.answer()?;
            let gradients = read_gradients(model, &worker.gradients);
            let path = worker.gradients.display();
            accumulator.accumulate(model, gradients.map_err(failed(format!("reading {path}")))?);
            loss += answer.loss.unwrap_or(f64::NAN);
            tokens += answer.tokens;
        }
        Ok((accumulator.grads(), loss, tokens))
    }
}

fn weights_file(folder: &Path) -> PathBuf {
    folder.join("weights")
}

/// Far from the seeds of other ranks and of other steps, which follow each other.
fn seed_of(seed: u64, rank: usize) -> u64 {
    seed.wrapping_add((rank as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

impl Worker {
    fn start(
        program: &Path,
        device: DeviceChoice,
        gradients: PathBuf,
        task: &Task,
    ) -> Result<Self, WorkerError> {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(program);
        // In a group of its own: Ctrl-C is for the first process, which makes a checkpoint and ends its workers.
        command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let starting = format!("starting {} worker", program.display());
        let mut process = command.spawn().map_err(failed(starting))?;
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let Some(output) = output else { return Err(WorkerError::Ended { device }) };
        let mut worker = Self { device, process, input, output: BufReader::new(output), gradients };
        worker.tell(task)?;
        Ok(worker)
    }

    fn tell(&mut self, message: &impl serde::Serialize) -> Result<(), WorkerError> {
        let device = self.device;
        let line = serde_json::to_string(message);
        let line = line.map_err(|source| WorkerError::Protocol { device, source })?;
        let told = self.input.as_mut().map(|input| writeln!(input, "{line}").and_then(|()| input.flush()));
        match told {
            Some(Ok(())) => Ok(()),
            _ => Err(WorkerError::Ended { device }),
        }
    }

    fn answer(&mut self) -> Result<Answer, WorkerError> {
        let device = self.device;
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(1..) => {}
            _ => return Err(WorkerError::Ended { device }),
        }
        serde_json::from_str(&line).map_err(|source| WorkerError::Protocol { device, source })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.input.take());
        // It ends by itself after the step that it is at. That it has done so is all there is to know.
        let _ = self.process.wait();
    }
}
