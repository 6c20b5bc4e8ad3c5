//! Fine-tuning beside the libraries that are known for it: conversations and their loss as trl has them, LoRA as peft.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use artifact::chat::{ChatTemplate, Message, Role};
use artifact::{GptConfig, Tokenizer};
use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Distribution, Int, Tensor, TensorData};
use e2e::process::python;
use e2e::reference::largest_difference;
use gpt::corpus::conversations::Examples;
use gpt::corpus::tokens::TokenBytes;
use gpt::model::lora::Lora;
use gpt::model::{LoraSettings, LoraTarget};
use gpt::preset::Preset;
use gpt::weights::peft::{merge_adapter, save_adapter};
use gpt::weights::{Language, export_hf};
use gpt::{Gpt, device};
use serde_json::{Value, json};

const TOLERANCE: f32 = 1e-5;

/// A small model with weights of the size of GPT-2's, without dropout.
fn model(vocab_size: usize) -> Gpt {
    let overrides = [format!("model.vocab_size={vocab_size}"), "model.dropout=0.0".to_owned()];
    let overrides = overrides.map(|setting| setting.parse().unwrap());
    let config: GptConfig = Preset::named("tiny", &overrides).unwrap().model;
    gpt::model::init::gpt2(Gpt::new(&config, &device::cpu().autodiff()))
}

fn exported(model: &Gpt, language: Option<Language<'_>>, folder: &Path) -> std::path::PathBuf {
    let hf = folder.join("hf");
    export_hf(&model.valid(), language, &hf).unwrap();
    hf
}

fn row(ids: &[u32]) -> Tensor<2, Int> {
    let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    let count = ids.len();
    Tensor::from_data(TensorData::new(ids, [1, count]), &device::cpu().autodiff())
}

/// Ids, positions, labels and loss of a batch of four conversations.
#[test]
fn conversations_are_those_of_trl() {
    let says = |role, content: &str| Message::new(role, content);
    let conversations = [
        vec![says(Role::User, "Who?"), says(Role::Assistant, "I.")],
        vec![
            says(Role::System, "Be brief."),
            says(Role::User, "What is it?"),
            says(Role::Assistant, "A wall."),
        ],
        vec![says(Role::User, "2 + 2"), says(Role::Assistant, "4")],
        vec![
            says(Role::User, "One."),
            says(Role::Assistant, "Two."),
            says(Role::User, "Three."),
            says(Role::Assistant, "Four."),
        ],
    ];
    for name in ["instruction", "chatml"] {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = Tokenizer::bytes().unwrap().with_special(&["<|im_start|>", "<|im_end|>"]).unwrap();
        let template = ChatTemplate::built_in(name).unwrap();
        let long = ["model.context_length=512".parse().unwrap(), "model.vocab_size=259".parse().unwrap()];
        let config = GptConfig { dropout: 0.0, ..Preset::named("tiny", &long).unwrap().model };
        let model = gpt::model::init::gpt2(Gpt::new(&config, &device::cpu().autodiff()));
        let language = Language { tokenizer: &tokenizer, chat_template: Some(&template) };
        let hf = exported(&model, Some(language), folder.path());
        let (mut ids, mut positions, mut labels, mut lines) =
            (Vec::new(), Vec::new(), Vec::new(), String::new());
        let mut examples = Vec::new();
        for messages in &conversations {
            let (asked, answer) = messages.split_at(messages.len() - 1);
            lines += &format!("{}\n", json!({"prompt": asked, "completion": answer}));
            let mut example = template.example(&tokenizer, messages).unwrap();
            // trl learns the last answer of a prompt and its completion.
            example.answers.drain(..example.answers.len() - 1);
            let answer = example.answers[0].clone();
            labels.extend(
                (0..example.ids.len())
                    .map(|place| if answer.contains(&place) { i64::from(example.ids[place]) } else { -100 }),
            );
            positions.extend(0..example.ids.len());
            ids.extend(example.ids.iter().copied());
            examples.push(example);
        }
        let examples = Examples::new(examples, TokenBytes::of(&tokenizer));
        let batch = examples.batch(&[0, 1, 2, 3], &device::cpu().autodiff());
        let loss: f32 = batch.loss(&model).into_scalar();
        let [data, ours] = ["data.jsonl", "ours.json"].map(|name| folder.path().join(name));
        fs::write(&data, lines).unwrap();
        let json = json!({"input_ids": ids, "position_ids": positions, "labels": labels, "loss": loss});
        fs::write(&ours, json.to_string()).unwrap();
        let said = python("check_finetune.py", &[Path::new("batches"), &hf, &data, &ours]).unwrap();
        print!("{name}: {said}");
    }
}

fn logits(model: &Gpt, ids: &[u32]) -> Tensor<3> {
    model.forward(row(ids))
}

/// A tensor as nested lists.
fn nested<const D: usize>(tensor: Tensor<D>) -> Value {
    fn lists(numbers: &[f32], shape: &[usize]) -> Value {
        match shape {
            [] => json!(numbers[0]),
            [first, rest @ ..] => {
                numbers.chunks(numbers.len() / first).map(|part| lists(part, rest)).collect()
            }
        }
    }
    let shape = tensor.dims();
    lists(&tensor.into_data().try_to_vec::<f32>().unwrap(), &shape)
}

/// Forward pass, merged weights and gradients of changes of all linear maps.
#[test]
fn lora_is_that_of_peft() {
    let settings = LoraSettings { rank: 2, alpha: 3.0, ..LoraSettings::default() };
    let folder = tempfile::tempdir().unwrap();
    let base = model(97);
    let hf = exported(&base, None, folder.path());
    let mut model = base.with_lora(&settings);
    let device = model.device();
    model.each_linear(|_, linear| {
        if let Some(lora) = &mut linear.lora {
            lora.b =
                Param::from_tensor(Tensor::random(lora.b.dims(), Distribution::Normal(0.0, 0.1), &device));
        }
    });
    let peft = folder.path().join("peft");
    fs::create_dir(&peft).unwrap();
    save_adapter(&model.adapters().unwrap(), &settings, 2, "base", &peft).unwrap();
    let ids = [3, 1, 4, 1, 5, 9, 2, 6, 5, 35, 89, 79];
    let loss = model.loss(row(&ids[..11]), row(&ids[1..]));
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    let ours = json!({
        "input_ids": [ids],
        "logits": nested(logits(&model, &ids)),
        "merged_logits": nested(logits(&model.clone().merged(), &ids)),
        "loss": loss.into_scalar::<f32>(),
        "gradients": in_peft(&mut model, &gradients),
    });
    let path = folder.path().join("ours.json");
    fs::write(&path, ours.to_string()).unwrap();
    print!("{}", python("check_finetune.py", &[Path::new("peft"), &hf, &peft, &path]).unwrap());
}

/// Gradients by the names and in the shapes of peft; null where a fused matrix has rows for another of its thirds.
fn in_peft(model: &mut Gpt, gradients: &GradientsParams) -> BTreeMap<String, Value> {
    let of = |matrix: &Param<Tensor<2>>| nested(gradients.get::<2>(matrix.id).unwrap().transpose());
    let rows = |value: &Value| value.as_array().unwrap().clone();
    let mut named: BTreeMap<String, Value> = BTreeMap::new();
    let mut block = 0;
    model.each_linear(|target, linear| {
        let Lora { a, b, .. } = linear.lora.as_ref().unwrap();
        let (module, third) = match target {
            LoraTarget::Query => ("attn.c_attn", Some(0)),
            LoraTarget::Key => ("attn.c_attn", Some(1)),
            LoraTarget::Value => ("attn.c_attn", Some(2)),
            LoraTarget::Output => ("attn.c_proj", None),
            LoraTarget::Expand => ("mlp.c_fc", None),
            LoraTarget::Contract => ("mlp.c_proj", None),
        };
        let name =
            |matrix: &str| format!("base_model.model.transformer.h.{block}.{module}.lora_{matrix}.weight");
        let mut append = |matrix: &str, more: Vec<Value>| {
            named.entry(name(matrix)).or_insert_with(|| json!([])).as_array_mut().unwrap().extend(more);
        };
        append("A", rows(&of(a)));
        let of_b = rows(&of(b)).into_iter().map(|row| {
            let Some(third) = third else { return row };
            let (own, rank) = (row.as_array().unwrap().clone(), row.as_array().unwrap().len());
            let mut wide = vec![Value::Null; 3 * rank];
            wide[third * rank..(third + 1) * rank].clone_from_slice(&own);
            Value::Array(wide)
        });
        append("B", of_b.collect());
        block += usize::from(target == LoraTarget::Contract);
    });
    named
}

#[test]
fn an_adapter_of_peft_is_merged() {
    let folder = tempfile::tempdir().unwrap();
    let base = model(97);
    let hf = exported(&base, None, folder.path());
    let peft = folder.path().join("peft");
    print!("{}", python("check_finetune.py", &[Path::new("make-adapter"), &hf, &peft]).unwrap());
    let expected: Value = serde_json::from_slice(&fs::read(peft.join("expected.json")).unwrap()).unwrap();
    let ids: Vec<Vec<u32>> = serde_json::from_value(expected["input_ids"].clone()).unwrap();
    let merged = merge_adapter(base.valid(), &peft).unwrap();
    let numbers = |value: &Value| -> Vec<f32> {
        let nested: Vec<Vec<Vec<f32>>> = serde_json::from_value(value.clone()).unwrap();
        nested.concat().concat()
    };
    let found: Vec<f32> = ids
        .iter()
        .flat_map(|ids| {
            let ids = row(ids).inner();
            merged.forward(ids).into_data().try_to_vec::<f32>().unwrap()
        })
        .collect();
    let difference = largest_difference(&found, &numbers(&expected["logits"]));
    assert!(difference <= TOLERANCE, "{difference}");
}
