//! The whole system with its real parts: train, export, publish, serve, ask.

use artifact::draft::{self, DraftIndex};
use artifact::manifest::FileRole;
use e2e::folders::copy_folder;
use e2e::process::{self, Lambda, Server, post, request};
use e2e::trained::{only_version, tiny_store, train_tiny};
use serde_json::json;

#[test]
fn trains_publishes_and_serves() {
    let (folder, manifest) = only_version(tiny_store()).unwrap();
    assert_eq!(manifest.config.num_parameters(), 1_210_656);
    let training = manifest.training.as_ref().unwrap();
    assert_eq!(training.epochs, 2);
    assert!(manifest.source_commit.as_ref().is_none_or(|commit| commit.len() == 40));
    assert!(training.final_train_loss < 8.0, "{}", training.final_train_loss);
    assert_eq!(manifest.example_prompts.len(), 3);
    let metrics = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    assert_eq!(last["val_loss"], training.final_val_loss);
    assert!(std::fs::read_to_string(folder.join("samples.txt")).unwrap().contains("--- epoch 2\n"));
    assert_eq!(manifest.file(draft::FILE_NAME).unwrap().role, FileRole::Draft);
    let index = std::fs::read(folder.join(draft::FILE_NAME)).unwrap();
    assert!(DraftIndex::from_bytes(index, manifest.config.vocab_size).is_ok());
    let report = std::fs::read_to_string(folder.join("report.html")).unwrap();
    let final_val_loss = format!("{:.4}", training.final_val_loss);
    for text in [&manifest.version, &final_val_loss, "after epoch 2", "model.onnx", "learning_rate = 0.004"] {
        assert!(report.contains(text), "{text}: {report}");
    }

    let server = Server::start(tiny_store()).unwrap();
    let (status, body) = request("GET", &server.url, "text/plain", "").unwrap();
    assert_eq!((status, &body["status"]), (200, &json!("ready")));
    assert_eq!(body["model"]["version"], manifest.version);

    let prompt = &manifest.example_prompts[0];
    let (status, body) = post(&format!("{}/generate", server.url), &json!({"prompt": prompt})).unwrap();
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["prompt"], *prompt);
    assert_eq!(body["tokens_generated"], 50);
    assert_eq!(body["finish_reason"], "length");
    let info = &body["model_info"];
    assert_eq!((&info["layers"], &info["heads"], &info["embedding_dim"]), (&json!(2), &json!(2), &json!(12)));
    let text = body["response"].as_str().unwrap();
    assert!(!text.trim().is_empty() && !text.starts_with(prompt.as_str()), "{text}");
    assert!(body["timing"]["total_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_seed_decides_the_text_and_greedy_needs_none() {
    let server = Server::start(tiny_store()).unwrap();
    let text = |body| {
        let (status, body) = post(&format!("{}/generate", server.url), &body).unwrap();
        assert_eq!(status, 200, "{body}");
        (body["response"].as_str().unwrap().to_owned(), body["seed"].clone())
    };
    // Far past the context of 64.
    let ask = |seed| json!({"prompt": "The painting", "max_tokens": 200, "temperature": 1.5, "seed": seed});
    assert_eq!(text(ask(1)), text(ask(1)));
    assert_ne!(text(ask(1)).0, text(ask(2)).0);

    let (first, seed) = text(json!({"prompt": "The painting", "temperature": 1.5}));
    let again = text(json!({"prompt": "The painting", "temperature": 1.5, "seed": seed}));
    assert_eq!(again.0, first);
    let greedy = json!({"prompt": "The painting", "temperature": 0});
    assert_eq!(text(greedy.clone()).0, text(greedy).0);
}

#[test]
fn a_prompt_longer_than_the_context_is_continued() {
    let server = Server::start(tiny_store()).unwrap();
    let prompt = "It was the light that had changed. ".repeat(40);
    let (status, body) =
        post(&format!("{}/generate", server.url), &json!({"prompt": prompt, "max_tokens": 5})).unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(body["usage"]["prompt_tokens"].as_u64().unwrap() > 3 * 64);
    assert_eq!(body["tokens_generated"], 5);
}

#[test]
fn bad_requests_are_answered_with_the_field_and_the_server_goes_on() {
    let server = Server::start(tiny_store()).unwrap();
    let url = format!("{}/generate", server.url);
    for (body, status, code, field) in [
        (r#"{"max_tokens": 5}"#, 422, "invalid_field", Some("prompt")),
        (r#"{"prompt": ""}"#, 422, "invalid_field", Some("prompt")),
        (r#"{"prompt": 7}"#, 422, "invalid_field", Some("prompt")),
        (r#"{"prompt": "x", "temperature": -1}"#, 422, "invalid_field", Some("temperature")),
        (r#"{"prompt": "x", "temperature": "hot"}"#, 422, "invalid_field", Some("temperature")),
        (r#"{"prompt": "x", "max_tokens": 0}"#, 422, "invalid_field", Some("max_tokens")),
        (r#"{"prompt": "x", "max_tokens": -2}"#, 422, "invalid_field", Some("max_tokens")),
        (r#"{"prompt": "x", "top_k": -2}"#, 422, "invalid_field", Some("top_k")),
        (r#"{"prompt": "x", "seed": -2}"#, 422, "invalid_field", Some("seed")),
        (r#"{"prompt": "x", "best_of": 2}"#, 422, "invalid_field", Some("best_of")),
        (r#"{"prompt": "x""#, 400, "invalid_json", None),
        ("", 400, "invalid_json", None),
    ] {
        let (found, answer) = request("POST", &url, "application/json", body).unwrap();
        let error = &answer["error"];
        assert_eq!((found, error["code"].as_str()), (status, Some(code)), "{body}: {answer}");
        assert_eq!(error["field"].as_str(), field, "{body}: {answer}");
        assert!(field.is_none_or(|field| error["message"].as_str().unwrap().contains(field)), "{answer}");
    }
    let (status, answer) = request("POST", &url, "text/plain", r#"{"prompt": "x"}"#).unwrap();
    assert_eq!((status, &answer["error"]["code"]), (415, &json!("unsupported_media_type")));
    let (status, answer) = post(&url, &json!({"prompt": "x".repeat(1_100_000)})).unwrap();
    assert_eq!((status, &answer["error"]["code"]), (413, &json!("body_too_large")));
    let (status, answer) = request("PUT", &url, "application/json", "{}").unwrap();
    assert_eq!((status, &answer["error"]["code"]), (405, &json!("method_not_allowed")));
    let (status, answer) = post(&format!("{}/nowhere", server.url), &json!({})).unwrap();
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("not_found")));

    let (status, _) = post(&url, &json!({"prompt": "The painting", "max_tokens": 1})).unwrap();
    assert_eq!(status, 200);
}

#[test]
fn a_signal_lets_requests_in_flight_finish() {
    let mut server = Server::start(tiny_store()).unwrap();
    let ask = json!({"prompt": "The", "max_tokens": 1000, "stream": true});
    let mut answer = ureq::post(format!("{}/generate", server.url)).send_json(&ask).unwrap();
    server.process.signal("INT").unwrap();
    let events = answer.body_mut().read_to_string().unwrap();
    assert!(events.contains("event: done") && events.contains(r#""tokens_generated":1000"#), "{events}");
    assert!(server.process.wait().unwrap().success());
}

/// The real runtime API client: `cargo lambda watch` turns HTTP requests into function URL events.
#[test]
fn answers_function_url_events_in_lambda() {
    let store_path = tiny_store().to_string_lossy().into_owned();
    let lambda = Lambda::start(&[("MODEL_STORE", store_path)]).unwrap();
    let url = &lambda.url;
    let ask = json!({"prompt": "The painting", "max_tokens": 20, "seed": 4});
    let (status, in_lambda) = post(&format!("{url}/generate"), &ask).unwrap();
    assert_eq!(status, 200, "{in_lambda}");
    let (status, answer) = request("GET", &format!("{url}/"), "text/plain", "").unwrap();
    assert_eq!((status, &answer["status"]), (200, &json!("ready")));
    let (status, answer) = post(&format!("{url}/generate"), &json!({"prompt": ""})).unwrap();
    assert_eq!((status, &answer["error"]["field"]), (422, &json!("prompt")));

    let server = Server::start(tiny_store()).unwrap();
    let (_, on_localhost) = post(&format!("{}/generate", server.url), &ask).unwrap();
    assert_eq!(in_lambda["response"], on_localhost["response"]);
}

/// A second, worse model is published but not served; it can be promoted by hand and taken back.
#[test]
fn the_gate_holds_back_a_worse_model_and_rollback_returns() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().to_str().unwrap();
    copy_folder(tiny_store(), folder.path()).unwrap();
    let gpt = |arguments: &[&str]| process::run("gpt", arguments).unwrap();
    let text = |output: &std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();

    // Untrained, as good as: its step size is next to nothing.
    let tiny = include_str!("../../../training/presets/tiny.toml");
    let preset = folder.path().join("tiny.toml");
    std::fs::write(&preset, tiny.replace("learning_rate = 4e-3", "learning_rate = 1e-9")).unwrap();
    let corpus = e2e::trained::corpus();
    let worse = gpt(&[
        "train",
        "--name",
        "tiny",
        "--preset",
        preset.to_str().unwrap(),
        "--corpus",
        corpus.to_str().unwrap(),
        "--store",
        store,
        "--checkpoints",
        folder.path().join("checkpoints").to_str().unwrap(),
    ]);
    let errors = String::from_utf8_lossy(&worse.stderr);
    assert_eq!(worse.status.code(), Some(3), "{errors}");
    assert!(errors.contains("channel live stays as it is: its validation loss is"), "{errors}");

    let listing = text(&gpt(&["models", "--store", store]));
    let rows: Vec<Vec<&str>> = listing.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 3, "{listing}");
    let (newer, older) = (rows[1][1], rows[2][1]);
    assert!(newer > older && rows[1][2] != "live" && rows[2][2] == "live", "{listing}");

    let promoted = text(&gpt(&["promote", "--store", store, "tiny", newer]));
    assert!(promoted.contains(newer), "{promoted}");
    let back = text(&gpt(&["rollback", "--store", store]));
    assert!(back.contains(older), "{back}");

    // Who moved the channel, and by which figures.
    let history = text(&gpt(&["models", "--history", "--store", store]));
    let moves: Vec<&str> = history.lines().skip(1).collect();
    let expected = [(older, "rolled back"), (newer, "by hand"), (older, "passed the gate")];
    assert_eq!(moves.len(), expected.len(), "{history}");
    for (line, (version, reason)) in moves.iter().zip(expected) {
        assert!(line.starts_with("live ") && line.contains(version) && line.contains(reason), "{history}");
        assert!(line.contains('@') && line.contains("20"), "{history}");
    }
    assert!(moves[2].contains("validation loss ") && moves[2].contains("bits per byte "), "{history}");
    let to = |version: &str| gpt(&["rollback", "--to", version, "--store", store]);
    assert!(text(&to(newer)).contains(newer));
    let message = process::error_message(&to("20200101T000000Z-00000000")).unwrap();
    assert!(message.contains("has not named the version"), "{message}");

    let unknown = gpt(&["promote", "--store", store, "tiny", "20200101T000000Z-00000000"]);
    assert!(process::error_message(&unknown).unwrap().contains("there is no such version"));
}

/// Single bytes cost a model that has hardly learned more bits than GPT-2's pieces do, whose losses are larger numbers.
#[test]
fn versions_with_different_tokenizers_are_compared_by_byte() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().to_str().unwrap();
    copy_folder(tiny_store(), folder.path()).unwrap();
    let (corpus, checkpoints) = (e2e::trained::corpus(), folder.path().join("checkpoints"));
    let train_on_bytes = |more: &[&str]| {
        let [corpus, checkpoints] = [&corpus, &checkpoints].map(|path| path.to_str().unwrap());
        let arguments = ["train", "--preset", "tiny", "--name", "bytes", "--tokenizer", "bytes"];
        let places = ["--corpus", corpus, "--store", store, "--checkpoints", checkpoints];
        process::run("gpt", &[&arguments[..], &places, more].concat()).unwrap()
    };
    let worse = train_on_bytes(&["--set", "training.epochs=1"]);
    let errors = String::from_utf8_lossy(&worse.stderr);
    assert_eq!(worse.status.code(), Some(3), "{errors}");
    assert!(errors.contains(" bits per byte) on the same text"), "{errors}");
    let allowed = train_on_bytes(&["--set", "training.seed=7", "--margin", "100"]);
    assert!(allowed.status.success(), "{}", String::from_utf8_lossy(&allowed.stderr));
    // And the other way round, without a margin to speak of.
    train_tiny(folder.path(), "2").unwrap();
    let listing = process::run("gpt", &["models", "--store", store]).unwrap();
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let live: Vec<&str> = listing.lines().filter(|line| line.contains(" live ")).collect();
    assert!(live.len() == 1 && live[0].starts_with("tiny "), "{listing}");
}
