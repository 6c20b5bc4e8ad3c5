//! Worker process of data-parallel training: gradients of its batches, step after step, until there is no further one.

use std::io::{BufRead, Write};

use super::parameters_file::{read_weights, write_gradients};
use super::protocol::{Answer, Share, Task};
use super::{WorkerError, failed};
use crate::device::{Arithmetic, DeviceChoice, keep_libtorch_to_one_thread};
use crate::model::Gpt;
use crate::train::gradients::of_batches;

/// Reads what is to be done, line by line, and answers.
///
/// # Errors
/// If the device cannot be used, the shared memory not be read or written, or something else is asked for.
pub fn serve(input: impl BufRead, mut output: impl Write) -> Result<(), WorkerError> {
    let mut lines = input.lines();
    let Some(first) = lines.next() else { return Ok(()) };
    let task = first.map_err(failed("reading the task"))?;
    let unknown = |source| WorkerError::Protocol { device: DeviceChoice::default(), source };
    let task: Task = serde_json::from_str(&task).map_err(unknown)?;
    let choice: DeviceChoice = task.device.parse()?;
    let unknown = |source| WorkerError::Protocol { device: choice, source };
    let device = choice.open()?.autodiff();
    let _one_thread = (task.arithmetic == Arithmetic::Kernels).then(keep_libtorch_to_one_thread);
    let mut model = Gpt::new(&task.model, &device).with_arithmetic(task.arithmetic);
    if let Some(lora) = &task.lora {
        model = model.with_lora(lora);
    }
    for line in lines {
        let line = line.map_err(failed("reading a step"))?;
        let share: Share = serde_json::from_str(&line).map_err(unknown)?;
        model = read_weights(model, &task.weights).map_err(failed("reading weights"))?;
        device.seed(share.seed);
        let (gradients, loss, tokens) = of_batches(&model, &share.batches(&device), share.of);
        write_gradients(&model, &gradients, &task.gradients).map_err(failed("writing gradients"))?;
        let answer = serde_json::to_string(&Answer { loss: Some(loss), tokens }).map_err(unknown)?;
        writeln!(output, "{answer}").and_then(|()| output.flush()).map_err(failed("answering"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use burn::optim::GradientsParams;
    use burn::tensor::{Int, Tensor};

    use super::*;
    use crate::corpus::Batch;
    use crate::preset::Preset;
    use crate::train::gradients::global_norm;
    use crate::train::workers::parameters_file::{read_gradients, write_weights};

    fn batch(first: i32) -> Batch {
        let device = crate::device::cpu().autodiff();
        let ids = |first: i32| Tensor::<2, Int>::from_ints([[first, first + 1, first + 2]], &device);
        Batch { inputs: ids(first), targets: ids(first + 1), target_bytes: 0, packing: None }
    }

    #[test]
    fn a_worker_has_the_gradients_of_its_share() {
        let overrides = ["model.vocab_size=31", "model.dropout=0.0"].map(|setting| setting.parse().unwrap());
        let config = Preset::named("tiny", &overrides).unwrap().model;
        let model = Gpt::new(&config, &crate::device::cpu().autodiff());
        let folder = tempfile::tempdir().unwrap();
        let [weights, gradients] = ["weights", "gradients"].map(|name| folder.path().join(name));
        write_weights(&model, &weights).unwrap();
        let task = Task {
            device: "cpu".to_owned(),
            model: config,
            arithmetic: Arithmetic::Primitives,
            lora: None,
            weights,
            gradients: gradients.clone(),
        };
        let share = Share::new(&[batch(3), batch(9)], 9, 1);
        let [task, share] = [serde_json::to_string(&task), serde_json::to_string(&share)].map(Result::unwrap);
        let mut said = Vec::new();
        serve(format!("{task}\n{share}\n").as_bytes(), &mut said).unwrap();
        let Answer { loss, tokens } = serde_json::from_slice(&said).unwrap();

        let (expected, expected_loss, expected_tokens) = of_batches(&model, &[batch(3), batch(9)], 9);
        assert_eq!((loss, tokens), (Some(expected_loss), expected_tokens));
        let found = read_gradients(&model, &gradients).unwrap();
        let of = |gradients: &GradientsParams| {
            let weight: Tensor<2> = gradients.get(model.token_embedding.weight.id).unwrap();
            weight.into_data()
        };
        assert_eq!(of(&found), of(&expected));
        assert_eq!(global_norm(&model, &found), global_norm(&model, &expected));
    }

    #[test]
    fn what_is_no_task_is_refused() {
        assert!(serve("".as_bytes(), Vec::new()).is_ok());
        let error = serve("{}\n".as_bytes(), Vec::new()).unwrap_err().to_string();
        assert!(error.contains("of another build"), "{error}");
    }
}
