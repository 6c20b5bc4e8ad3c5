//! PyTorch parity with LLMs-from-scratch (chapters 4 and 5): logits, loss, gradients, AdamW steps and greedy
//! text.

use artifact::{Sampler, Sampling};
use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use e2e::reference::{TinyGpt, largest_difference};
use gpt::model::parameters::{self, ParameterPath, ParameterVisitor};
use gpt::model::{Gpt, cross_entropy, generate};
use gpt::preset::Preset;
use gpt::{device, train, weights};

fn tensor(rows: &[Vec<i64>], device: &Device) -> Tensor<2, Int> {
    let data = TensorData::new(rows.concat(), [rows.len(), rows[0].len()]);
    Tensor::from_data(data, device)
}

fn model(reference: &TinyGpt, device: &Device) -> Gpt {
    weights::load(&reference.config(), &reference.weights(), device).unwrap()
}

#[test]
fn logits_are_within_1e_4() {
    let reference = TinyGpt::read().unwrap();
    let device = device::cpu();
    let logits = model(&reference, &device).valid().forward(tensor(&reference.input_ids, &device));
    let logits = logits.into_data().try_to_vec::<f32>().unwrap();
    let difference = largest_difference(&logits, &reference.logits().unwrap());
    println!("largest difference of logits: {difference:e}");
    assert!(difference <= 1e-4);
}

/// Norms of all gradients by PyTorch name.
struct GradientNorms<'a> {
    gradients: &'a GradientsParams,
    norms: Vec<(String, f64)>,
}

impl ParameterVisitor for GradientNorms<'_> {
    fn visit<const D: usize>(&mut self, path: &ParameterPath, param: &Param<Tensor<D>>) {
        let gradient = self.gradients.get::<D>(param.id).unwrap();
        let norm: f32 = gradient.square().sum().sqrt().into_scalar();
        self.norms.push((weights::pytorch_name(&path.name()), f64::from(norm)));
    }
}

#[test]
fn loss_is_within_1e_5_and_gradient_norms_within_a_thousandth() {
    let reference = TinyGpt::read().unwrap();
    let device = device::cpu().autodiff();
    let model = model(&reference, &device);
    let logits = model.forward(tensor(&reference.input_ids, &device));
    let loss = cross_entropy(logits, tensor(&reference.targets, &device));
    let gradients = GradientsParams::from_grads(loss.backward(), &model);

    let loss = f64::from(loss.into_scalar::<f32>());
    println!("difference of loss: {:e}", (loss - reference.loss).abs());
    assert!((loss - reference.loss).abs() <= 1e-5);

    let visitor = GradientNorms { gradients: &gradients, norms: Vec::new() };
    let visitor = parameters::visit(&model, visitor);
    assert_eq!(visitor.norms.len(), reference.grad_norms.len());
    let mut largest = 0.0f64;
    for (name, norm) in visitor.norms {
        let expected = reference.grad_norms[&name];
        largest = largest.max((norm - expected).abs() / expected);
        assert!((norm - expected).abs() <= 1e-3 * expected, "{name}: {norm} != {expected}");
    }
    println!("largest relative difference of gradient norms: {largest:e}");
}

#[test]
fn twenty_adamw_steps_are_within_1e_3() {
    let reference = TinyGpt::read().unwrap();
    let device = device::cpu().autodiff();
    let mut model = model(&reference, &device);
    let settings = Preset::named("the-verdict", &[]).unwrap().training;
    assert_eq!((settings.learning_rate, settings.weight_decay), (4e-4, 0.1));
    let mut optimizer = train::optimizer(&settings);

    assert_eq!(reference.batches.len(), 20);
    let mut largest = 0.0f64;
    for ((inputs, targets), expected) in reference.batches.iter().zip(&reference.adamw_losses) {
        let loss = cross_entropy(model.forward(tensor(inputs, &device)), tensor(targets, &device));
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(settings.learning_rate, model, gradients);
        largest = largest.max((f64::from(loss.into_scalar::<f32>()) - expected).abs());
    }
    println!("largest difference of 20 losses: {largest:e}");
    assert!(largest <= 1e-3);
}

#[test]
fn greedy_text_is_the_same_past_the_context() {
    let reference = TinyGpt::read().unwrap();
    let device = device::cpu();
    let model = model(&reference, &device).valid();
    let (prompt, expected) = reference.greedy.split_at(5);
    assert!(reference.greedy.len() > model.config().context_length);
    let mut sampler = Sampler::new(Sampling::Greedy, 0);
    assert_eq!(generate(&model, prompt, expected.len(), &mut sampler, &device), expected);
}
