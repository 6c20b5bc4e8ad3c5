//! Commands on models besides training: import, evaluate, export, publish, sample.

use std::fs;
use std::path::{Path, PathBuf};

use artifact::Manifest;
use e2e::folders::text;
use e2e::process::{Server, error_message, gpt, post, python, refusal, request, run};
use e2e::reference;
use e2e::trained::{corpus, excerpt, only_version, tiny_store, visible_versions};
use serde_json::{Value, json};

/// One trained model for all tests of this file, and its version's folder.
fn trained() -> (&'static Path, PathBuf) {
    let store = tiny_store();
    (store, only_version(store).unwrap().0)
}

#[test]
fn what_is_measured_is_in_the_manifest_and_is_measured_again() {
    let (store, folder) = trained();
    let (_, manifest) = only_version(store).unwrap();
    let corpus = corpus();
    let part = ["--corpus", text(&corpus), "--train-fraction", "0.9", "--json"];
    let json = gpt(&[&["evaluate", "--store", text(store)], &part[..]].concat());
    let found: Value = serde_json::from_str(&json).unwrap();

    let evaluation = manifest.evaluation.unwrap();
    assert!((evaluation.perplexity - evaluation.val_loss.exp()).abs() < 1e-9);
    let close = |found: &Value, expected: f64| (found.as_f64().unwrap() - expected).abs() < 1e-6;
    assert!(close(&found["evaluation"]["val_loss"], evaluation.val_loss), "{found}");
    assert_eq!(found["evaluation"]["tokens"], evaluation.tokens);
    // All bytes of the last tenth of the text count, but for those of its first token.
    let (bits_per_byte, bytes) = (evaluation.bits_per_byte.unwrap(), evaluation.text_bytes.unwrap());
    let story = fs::read_to_string(&corpus).unwrap();
    let last_tenth: String = story.chars().skip((story.chars().count() as f64 * 0.9) as usize).collect();
    assert!((1..16).contains(&(last_tenth.len() - bytes)), "{bytes} of {}", last_tenth.len());
    let bits = evaluation.val_loss * evaluation.tokens as f64 / std::f64::consts::LN_2;
    assert!((bits_per_byte - bits / bytes as f64).abs() < 1e-12, "{evaluation:?}");
    assert!(close(&found["evaluation"]["bits_per_byte"], bits_per_byte), "{found}");
    assert!(gpt(&["models", "--store", text(store)]).contains(&format!("{bits_per_byte:.4}")));
    assert!(evaluation.tokens % 64 > 0, "the rest of the text is predicted too: {}", evaluation.tokens);
    let exports = found["exports"].as_array().unwrap();
    assert_eq!(exports.len(), manifest.variants.len());
    for (found, variant) in exports.iter().zip(&manifest.variants) {
        assert_eq!(found["file"], variant.file.as_str());
        assert!(close(&found["val_loss"], variant.val_loss.unwrap()), "{found}");
        assert!(close(&found["bits_per_byte"], variant.bits_per_byte.unwrap()), "{found}");
    }
    let float32 = &manifest.variants[0];
    assert!(float32.largest_logit_difference <= 1e-3 && float32.top_1_agreement > 0.99, "{float32:?}");
    assert!((float32.val_loss.unwrap() - evaluation.val_loss).abs() < 1e-4);

    // The same weights without their manifest.
    let alone = tempfile::tempdir().unwrap();
    fs::copy(folder.join("model.safetensors"), alone.path().join("model.safetensors")).unwrap();
    let weights = alone.path().join("model.safetensors");
    let arguments = [&["evaluate", text(&weights), "--n-heads", "2"], &part[..]].concat();
    let message = refusal(&arguments);
    assert!(
        message.contains("there is no tokenizer beside it") && message.contains("--tokenizer gpt2"),
        "{message}"
    );
    let arguments = [&arguments[..], &["--tokenizer", "gpt2"]].concat();
    let again: Value = serde_json::from_str(&gpt(&arguments)).unwrap();
    assert_eq!(again["evaluation"], found["evaluation"]);
    // Dropout is for training: it changes neither the loss nor what quantization is calibrated on.
    let dropping: Value =
        serde_json::from_str(&gpt(&[&arguments[..], &["--dropout", "0.9"]].concat())).unwrap();
    assert_eq!((&dropping["evaluation"], &dropping["exports"]), (&again["evaluation"], &again["exports"]));
    assert!(refusal(&["evaluate", "--store", text(store)]).contains("pass --corpus"));
}

#[test]
fn every_field_of_a_preset_can_be_set_and_what_was_set_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (store, checkpoints, corpus) = (folder.path().join("store"), folder.path().join("c"), corpus());
    let train = |preset: &str, set: &[&str]| {
        let settings: Vec<&str> = set.iter().flat_map(|setting| ["--set", setting]).collect();
        let arguments =
            ["train", "--preset", preset, "--corpus", text(&corpus), "--store", text(&store), "--name", "a"];
        let output =
            run("gpt", &[&arguments[..], &["--checkpoints", text(&checkpoints)], &settings[..]].concat());
        let output = output.unwrap();
        assert!([Some(0), Some(3)].contains(&output.status.code()), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = train("tiny", &["training.epochs=1", "model.n_layers=1", "training.keep_best=true"]);
    assert!(said.contains("epochs = 1\n") && said.contains("n_layers = 1\n"), "{said}");
    let (version, manifest) = only_version(&store).unwrap();
    assert_eq!((manifest.config.n_layers, manifest.training.unwrap().epochs), (1, 1));

    // What is stored can be trained from again, and gives the same weights.
    let preset = folder.path().join("again.toml");
    fs::copy(version.join("preset.toml"), &preset).unwrap();
    train(text(&preset), &[]);
    let weights = |version: &Path| fs::read(version.join("model.safetensors")).unwrap();
    let versions = visible_versions(&store).unwrap();
    assert_eq!(versions.len(), 2);
    assert_eq!(weights(&versions[0]), weights(&versions[1]));

    let set = |setting| refusal(&["train", "--preset", "tiny", "--set", setting, "--store", text(&store)]);
    assert!(set("training.epoch=1").contains("unknown field `epoch`"));
    assert!(set("training.lr=1").contains("it is called `training.learning_rate` here"));
    let device = ["train", "--preset", "tiny", "--device", "cuda:999", "--store", text(&store)];
    assert!(refusal(&device).contains("cuda:999 was asked for"));
}

#[test]
fn models_from_elsewhere_are_published_and_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let seed = reference::folder().join("tiny-gpt/model.pth");
    let import = ["import", text(&seed), "--name", "imported", "--store", text(&store)];
    assert!(refusal(&import).contains("--n-heads"));
    assert!(visible_versions(&store).unwrap().is_empty());

    gpt(&[&import[..], &["--n-heads", "4", "--promote", "live"]].concat());
    let (_, manifest) = only_version(&store).unwrap();
    assert_eq!((manifest.config.vocab_size, manifest.config.n_heads), (97, 4));
    assert!(manifest.training.is_none() && manifest.evaluation.is_none() && manifest.tokenizer.is_none());
    assert_eq!(manifest.imported_from.unwrap().file, "model.pth");
    assert!(manifest.variants[0].largest_logit_difference <= 1e-4);
    assert!(gpt(&["models", "--store", text(&store)]).contains("imported"));

    // It is served as far as that goes without a tokenizer.
    let server = Server::start(&store).unwrap();
    let (status, body) = post(&format!("{}/generate", server.url), &json!({"prompt": "x"})).unwrap();
    assert_eq!((status, &body["error"]["code"]), (422, &json!("no_tokenizer")));

    // A channel that names a version asks for a text to compare the two on.
    let hugging_face = reference::folder().join("tiny-hf-gpt2");
    let again = ["import", text(&hugging_face), "--name", "hf", "--store", text(&store)];
    let message = refusal(&[&again[..], &["--promote", "live"]].concat());
    assert!(message.contains("pass --corpus"), "{message}");
    gpt(&again);
    // Its dropout, which is for training, must be off.
    let folder =
        visible_versions(&store).unwrap().into_iter().find(|path| path.parent().unwrap().ends_with("hf"));
    let manifest = Manifest::from_json(&fs::read(folder.unwrap().join("manifest.json")).unwrap()).unwrap();
    assert_eq!((manifest.config.dropout, manifest.config.tied_output_head), (0.1, true));
    assert!(manifest.variants[0].largest_logit_difference <= 1e-4, "{:?}", manifest.variants);
    let message = refusal(&["finetune", "version:hf", "--preset", "tiny", "--store", text(&store)]);
    assert!(message.contains("`model.vocab_size` is 97, expected at least 50257"), "{message}");
    let message = refusal(&["sample", "version:hf", "--store", text(&store), "--prompt", "x"]);
    assert!(message.contains("no tokenizer"), "{message}");
}

#[test]
fn training_goes_on_from_a_published_model() {
    let (store, folder) = trained();
    let corpus = corpus();
    let target = tempfile::tempdir().unwrap();
    let checkpoints = target.path().join("checkpoints");
    let train = [
        "finetune",
        text(&folder),
        "--preset",
        "tiny",
        "--corpus",
        text(&corpus),
        "--store",
        text(target.path()),
        "--set",
        "training.learning_rate=1e-5",
        "--checkpoints",
        text(&checkpoints),
    ];
    gpt(&train);
    let (_, before) = only_version(store).unwrap();
    let (version, after) = only_version(target.path()).unwrap();
    assert_eq!(after.parent.unwrap(), format!("tiny {}", before.version));
    assert_eq!(corpus.file_stem().unwrap().to_str(), Some(after.name.as_str()), "it is named after its text");
    let metrics = fs::read_to_string(version.join("metrics.jsonl")).unwrap();
    let first: Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    let begins = first["train_loss"].as_f64().unwrap();
    let ended = before.training.unwrap().final_train_loss;
    assert!((begins - ended).abs() < 1e-4, "it begins at {begins}, where the other ended at {ended}");
}

#[test]
fn an_export_is_loaded_by_others() {
    let (store, _) = trained();
    let folder = tempfile::tempdir().unwrap();
    let export = |model: &str, more: &[&str], format: &str| {
        let to = folder.path().join(format!("{format}-{}", more.len()));
        let arguments = ["export", model, "--store", text(store), "--format", format, "--to", text(&to)];
        gpt(&[&arguments[..], more].concat());
        assert!(refusal(&[&arguments[..], more].concat()).contains("exists already"));
        to
    };
    let seed = reference::folder().join("tiny-gpt/model.pth");
    let hugging_face = export(text(&seed), &["--n-heads", "4"], "hf");
    print!(
        "{}",
        python("check_transformers.py", &[&hugging_face, &reference::folder().join("tiny-gpt")]).unwrap()
    );
    let safetensors = export("channel:live", &[], "safetensors");
    let (_, version) = trained();
    let bytes = |folder: &Path, name: &str| fs::read(folder.join(name)).unwrap();
    assert_eq!(bytes(&safetensors, "model.safetensors"), bytes(&version, "model.safetensors"));
    // The configuration beside it tells the heads.
    let texts = tempfile::tempdir().unwrap();
    gpt(&["evaluate", text(&safetensors), "--corpus", text(&excerpt(texts.path()).unwrap())]);
    let onnx = export("channel:live", &[], "onnx");
    for file in ["model.onnx", "model.w8.onnx", "model.w4.onnx"] {
        assert!(bytes(&onnx, file) == bytes(&version, file), "{file} is not the one that was published");
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn a_version_is_copied_to_another_store_verified_and_once() {
    let (store, version) = trained();
    let target = tempfile::tempdir().unwrap();
    let publish = |more: &[&str]| {
        [&["publish", text(&version), "--store", text(target.path())], more].concat().join("\n")
    };
    let run = |arguments: String| gpt(&arguments.split('\n').collect::<Vec<_>>());
    let said = run(publish(&["--promote", "live"]));
    assert!(said.contains("channel live names it now"), "{said}");
    // A second time, as after an interruption, and from the store by its channel.
    run(publish(&[]));
    gpt(&["publish", "channel:live", "--from", text(store), "--store", text(target.path())]);
    let (copy, manifest) = only_version(target.path()).unwrap();
    assert_eq!(manifest, only_version(store).unwrap().1);
    assert_eq!(fs::read(copy.join("loss.svg")).unwrap(), fs::read(version.join("loss.svg")).unwrap());

    // Now there is something to be no worse than, and it is no worse than itself.
    let promote = publish(&["--promote", "live"]);
    let message = refusal(&promote.split('\n').collect::<Vec<_>>());
    assert!(message.contains("pass --corpus"), "{message}");
    let texts = tempfile::tempdir().unwrap();
    run(publish(&["--promote", "live", "--corpus", text(&excerpt(texts.path()).unwrap())]));

    // What is damaged is not copied.
    let damaged = tempfile::tempdir().unwrap();
    for file in fs::read_dir(&version).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), damaged.path().join(file.file_name())).unwrap();
    }
    fs::write(damaged.path().join("model.safetensors"), "x").unwrap();
    let other = tempfile::tempdir().unwrap();
    let message = refusal(&["publish", text(damaged.path()), "--store", text(other.path())]);
    assert!(message.contains("model.safetensors: its length is 1"), "{message}");
    assert!(visible_versions(other.path()).unwrap().is_empty());
    let message = refusal(&["publish", text(&corpus()), "--store", text(other.path())]);
    assert!(message.contains("corpus") || message.contains(".txt"), "{message}");
}

#[test]
fn a_text_is_continued_as_serving_continues_it() {
    let (store, _) = trained();
    let sample = ["sample", "--store", text(store), "--prompt", "The painting", "--max-tokens", "12"];
    let said = gpt(&[&sample[..], &["--seed", "5"]].concat());
    let server = Server::start(store).unwrap();
    let ask = json!({"prompt": "The painting", "max_tokens": 12, "seed": 5});
    let (_, answer) = post(&format!("{}/generate", server.url), &ask).unwrap();
    assert_eq!(said.trim_end_matches('\n'), format!("The painting{}", answer["response"].as_str().unwrap()));
    assert!(refusal(&["sample", "--prompt", "x"]).contains("pass --store"));
}

/// A copy of the trained model's store, to be changed.
fn copied_store() -> tempfile::TempDir {
    let target = tempfile::tempdir().unwrap();
    let (_, version) = trained();
    gpt(&["publish", text(&version), "--store", text(target.path()), "--promote", "live"]);
    target
}

#[test]
fn a_model_may_follow_the_texts() {
    let (store, version) = trained();
    let texts = tempfile::tempdir().unwrap();
    let corpus = excerpt(texts.path()).unwrap();
    let evaluate = |arguments: &[&str]| {
        let all = [&["evaluate", "--store", text(store), "--json"], arguments].concat();
        serde_json::from_str::<Value>(&gpt(&all)).unwrap()
    };
    let expected = evaluate(&["channel:live", "--corpus", text(&corpus)]);
    assert_eq!(evaluate(&["--corpus", text(&corpus), "channel:live"]), expected);
    assert_eq!(evaluate(&["--corpus", text(&corpus), text(&version)])["corpus"], expected["corpus"]);
}

#[test]
fn a_bad_manifest_hides_no_other_version() {
    let store = copied_store();
    let versions = store.path().join("models/tiny");
    fs::create_dir(versions.join("20000101T000000Z-bad")).unwrap();
    fs::write(versions.join("20000101T000000Z-bad/manifest.json"), "{").unwrap();
    fs::write(store.path().join("channels/broken.json"), "{").unwrap();
    let output = run("gpt", &["models", "--store", text(store.path())]).unwrap();
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(listed.lines().count() == 2 && listed.contains("live"), "{listed}");
    let message = error_message(&output).unwrap();
    assert!(message.contains("2 of the versions and channels in the store cannot be read"), "{message}");
    assert!(
        message.contains("20000101T000000Z-bad/manifest.json") && message.contains("broken.json"),
        "{message}"
    );
}

#[test]
fn old_versions_are_pruned_and_those_of_channels_are_not() {
    let store = copied_store();
    let versions = store.path().join("models/tiny");
    let (live, manifest) = only_version(store.path()).unwrap();
    for version in ["20000101T000000Z-old", "29990101T000000Z-new"] {
        fs::create_dir(versions.join(version)).unwrap();
        let manifest = Manifest { version: version.to_owned(), ..manifest.clone() };
        fs::write(versions.join(version).join("manifest.json"), manifest.to_json().unwrap()).unwrap();
    }
    let prune = ["prune", "--store", text(store.path()), "--keep", "1"];
    let said = gpt(&[&prune[..], &["--dry-run"]].concat());
    assert!(
        said.contains("would be removed  tiny 20000101T000000Z-old") && said.contains("would free"),
        "{said}"
    );
    assert!(said.contains("(channel live)") && said.contains("(one of the 1 newest)"), "{said}");
    assert_eq!(visible_versions(store.path()).unwrap().len(), 3);
    let said = gpt(&prune);
    assert!(said.contains("removed  tiny 20000101T000000Z-old"), "{said}");
    let mut left = visible_versions(store.path()).unwrap();
    left.sort();
    assert_eq!(left, [live, versions.join("29990101T000000Z-new")]);
    assert!(gpt(&prune).contains("in 0 versions"));
    assert!(refusal(&[&prune[..], &["--name", "other"]].concat()).contains("models/other"));
}

#[test]
fn presets_are_listed_and_printed() {
    let listed = gpt(&["presets"]);
    assert!(listed.contains("162,419,712") && listed.contains("tiny"), "{listed}");
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own.toml");
    fs::write(&own, gpt(&["presets", "tiny"])).unwrap();
    let said = gpt(&dry_run(&["--preset", text(&own)], folder.path())
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>());
    assert!(said.contains("steps of 128 tokens"), "{said}");
    assert!(refusal(&["presets", "tinny"]).contains("the-verdict, tiny, books"));
}

fn dry_run(more: &[&str], folder: &Path) -> Vec<String> {
    let (corpus, checkpoints) = (corpus(), folder.join("checkpoints"));
    let arguments = ["train", "--dry-run", "--corpus", text(&corpus)];
    [&arguments[..], &["--checkpoints", text(&checkpoints)], more]
        .concat()
        .iter()
        .map(|a| (*a).to_owned())
        .collect()
}

#[test]
fn a_dry_run_says_what_would_be_and_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = dry_run(&["--preset", "tiny", "--set", "training.stride=16"], folder.path());
    let output = run("gpt", &arguments.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let (said, notes) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{notes}");
    for part in
        ["tokens to train on", "2 epochs", "s for a step", "memory:", "checkpoint:", "nothing was trained"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(notes.contains("each token is trained on 4 times"), "{notes}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "neither a store nor checkpoints");
}

#[test]
fn what_does_not_fit_is_refused_before_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let (_, version) = trained();
    let refused = |more: &[&str]| {
        let arguments = dry_run(&[&["--preset", "tiny"], more].concat(), folder.path());
        refusal(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let arguments = ["finetune", text(&version), "--store", text(folder.path()), "--set", "model.n_layers=3"];
    let message = refusal(&arguments);
    assert!(message.contains("--set model.n_layers has no effect in fine-tuning"), "{message}");
    let message = refused(&["--set", "training.warmup_steps=100000"]);
    assert!(message.contains("the learning rate would never reach `training.learning_rate`"), "{message}");
}

/// From weights with a context of 64, a preset that says 32 trains on each token once, as one that says 64.
#[test]
fn windows_follow_each_other_in_the_context_of_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    let preset = folder.path().join("short.toml");
    let tiny = gpt(&["presets", "tiny"]);
    assert!(tiny.contains("context_length = 64"), "{tiny}");
    fs::write(&preset, tiny.replace("context_length = 64", "context_length = 32")).unwrap();
    let (_, version) = trained();
    let steps = |more: &[&str], from: Option<&str>| {
        let mut arguments = dry_run(more, folder.path());
        if let Some(version) = from {
            arguments.splice(..1, ["finetune", version].map(str::to_owned));
        }
        let said = gpt(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        said.lines().find(|line| line.contains("steps of")).unwrap().to_owned()
    };
    let from_weights = steps(&["--preset", text(&preset)], Some(text(&version)));
    assert!(from_weights.contains("steps of 128 tokens"), "{from_weights}");
    assert_eq!(from_weights, steps(&["--preset", "tiny"], None));
    assert!(steps(&["--preset", text(&preset)], None).contains("steps of 64 tokens"));
}

#[test]
fn texts_are_not_disclosed_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, store, checkpoints) =
        (corpus(), folder.path().join("store"), folder.path().join("checkpoints"));
    let arguments = ["train", "--preset", "tiny", "--tokenizer", "bytes", "--corpus", text(&corpus)];
    let places = ["--store", text(&store), "--checkpoints", text(&checkpoints)];
    gpt(&[&arguments[..], &places, &["--no-draft-index", "--no-example-prompts"]].concat());
    let (version, manifest) = only_version(&store).unwrap();
    assert!(manifest.example_prompts.is_empty() && manifest.file("draft.bin").is_none());
    assert!(!version.join("draft.bin").exists());
    // It is served without them.
    let server = Server::start(&store).unwrap();
    let (_, status) = request("GET", &format!("{}/", server.url), "text/plain", "").unwrap();
    assert_eq!((&status["status"], &status["example_prompts"]), (&json!("ready"), &json!([])));
    let (status, body) =
        post(&format!("{}/generate", server.url), &json!({"prompt": "The", "max_tokens": 3})).unwrap();
    assert_eq!((status, &body["tokens_generated"]), (200, &json!(3)));
}
