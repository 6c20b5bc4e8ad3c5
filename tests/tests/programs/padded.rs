//! Vocabularies that are filled up to a round number, such as 50,304: ids that the tokenizer does not have are never
//! drawn, ranked or shown, and are errors in a prompt.

use artifact::tokenizer::END_OF_TEXT;
use artifact::{GptConfig, Tokenizer};
use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use e2e::process::{Server, post, run};
use gpt::preset::Preset;
use gpt::{Gpt, device, weights};
use serde_json::{Value, json};

const PADDED: usize = 50_304;
const N_IDS: usize = END_OF_TEXT as usize + 1;

/// A model to which every id of the padding is far likelier than all others.
fn fond_of_padding() -> Gpt {
    let device = device::cpu();
    let config = GptConfig { vocab_size: PADDED, ..Preset::named("tiny", &[]).unwrap().model };
    let mut model = Gpt::new(&config, &device).valid();
    // The final LayerNorm gives 1, so a logit is the sum of a column.
    model.final_norm.scale = Param::from_tensor(Tensor::zeros([config.d_model], &device));
    model.final_norm.shift = Param::from_tensor(Tensor::ones([config.d_model], &device));
    let column = |id: usize| if id < N_IDS { (id % 7) as f32 / 12.0 } else { 5.0 };
    let row: Vec<f32> = (0..PADDED).map(column).collect();
    let weight = TensorData::new(row.repeat(config.d_model), [config.d_model, PADDED]);
    model.output_head.as_mut().unwrap().weight = Param::from_tensor(Tensor::from_data(weight, &device));
    model
}

#[test]
fn ids_beyond_the_tokenizer_are_never_drawn_ranked_or_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (hf, store) = (folder.path().join("hf"), folder.path().join("store"));
    weights::export_hf(&fond_of_padding(), Some((&Tokenizer::gpt2().unwrap()).into()), &hf).unwrap();
    let (hf, location) = (hf.to_str().unwrap(), store.to_str().unwrap());
    let import = ["import", hf, "--name", "padded", "--store", location, "--promote", "live"];
    let output = run("gpt", &import).unwrap();
    // The gate measures over random ids, so it may hold the version back; then it is served by its name.
    assert!(output.status.code().is_some_and(|code| [0, 3].contains(&code)), "{output:?}");
    let (_, manifest) = e2e::trained::only_version(&store).unwrap();
    let pinned = format!("padded/{}", manifest.version);
    for precision in ["float32", "w8", "w4"] {
        let arguments = ["--model-version", &pinned, "--precision", precision];
        let server = Server::start_with(location, &arguments, &[]).unwrap();
        let ask = |route: &str, body: Value| post(&format!("{}{route}", server.url), &body).unwrap();
        for sampling in
            [json!({"temperature": 0}), json!({"temperature": 1, "top_k": 100}), json!({"top_p": 0.9})]
        {
            let mut body = json!({"prompt": "The painting", "max_tokens": 20, "seed": 1});
            body.as_object_mut().unwrap().extend(sampling.as_object().unwrap().clone());
            let (status, answer) = ask("/generate", body);
            assert_eq!((status, &answer["tokens_generated"]), (200, &json!(20)), "{answer}");
        }
        let scored = json!({"prompt": "The painting was", "max_tokens": 5, "logprobs": 5, "echo": true, "model": "padded"});
        let (status, answer) = ask("/v1/completions", scored);
        assert_eq!(status, 200, "{answer}");
        let top = answer["choices"][0]["logprobs"]["top_logprobs"].as_array().unwrap();
        let total: f64 = top[1].as_object().unwrap().values().map(|log| log.as_f64().unwrap().exp()).sum();
        assert!(total > 1e-5, "padding takes no share: {total}");
        let (status, answer) = ask("/inspect", json!({"prompt": "The", "top_k": 100}));
        assert_eq!(status, 200, "{answer}");
        let next = answer["next"].as_array().unwrap();
        assert!(next.len() == 100 && next.iter().all(|next| next["id"].as_u64().unwrap() < N_IDS as u64));

        for id in [N_IDS, PADDED - 1, PADDED] {
            let (status, answer) =
                ask("/v1/completions", json!({"prompt": [1, id], "max_tokens": 1, "model": "padded"}));
            assert_eq!((status, &answer["error"]["field"]), (400, &json!("prompt")), "{answer}");
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.contains(&format!("{id}")) && message.contains("below 50257"), "{message}");
        }
        assert_eq!(
            ask("/v1/completions", json!({"prompt": [1, END_OF_TEXT], "max_tokens": 1, "model": "padded"})).0,
            200
        );
    }
    let said = run("gpt", &["sample", hf, "--prompt", "The painting", "--max-tokens", "10"]).unwrap();
    assert!(said.status.success(), "{said:?}");
}
