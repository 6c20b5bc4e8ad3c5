//! Fine-tuning: a model trained further on texts, on conversations, and by LoRA.

use std::fs;
use std::path::{Path, PathBuf};

use artifact::manifest::FileRole;
use e2e::folders::text;
use e2e::process::{gpt, refusal, run};
use e2e::trained::{only_version, tiny_store};
use serde_json::json;
use tempfile::TempDir;

/// Questions and answers about numbers.
fn conversations(folder: &Path) -> PathBuf {
    let path = folder.join("numbers.jsonl");
    let line =
        |n: usize| json!({"instruction": format!("What comes after {n}?"), "output": (n + 1).to_string()});
    let lines: Vec<String> = (0..40).map(|n| line(n).to_string()).collect();
    fs::write(&path, lines.join("\n")).unwrap();
    path
}

/// The arguments of a fine-tuning of the tiny model into a folder.
fn finetune(folder: &Path, more: &[&str]) -> Vec<String> {
    let (base, _) = only_version(tiny_store()).unwrap();
    let places = ["--store", text(&folder.join("store")), "--checkpoints", text(&folder.join("checkpoints"))]
        .map(str::to_owned);
    let mut arguments = vec!["finetune".to_owned(), text(&base).to_owned()];
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    arguments.extend(places);
    arguments
}

fn finetuned(more: &[&str]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let conversations = conversations(folder.path());
    let arguments = finetune(folder.path(), &[&["--conversations", text(&conversations)], more].concat());
    let output = run("gpt", &arguments.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    (folder, said)
}

#[test]
fn a_model_learns_to_answer() {
    let (folder, said) = finetuned(&["--chat-template", "chatml", "--max-steps", "8"]);
    for part in [
        "40 conversations in 1 file: 36 to train on, 4 to validate with",
        "the special tokens <|im_start|> <|im_end|> are added",
        "chosen for this model and these texts: all weights, learning rate",
        "8 steps of 8 conversations",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (_, losses) = said.split_once("validation loss ").unwrap();
    assert!(said.contains(" before, and ") && losses.contains("bits per byte"), "{said}");
    let (version, manifest) = only_version(&folder.path().join("store")).unwrap();
    assert_eq!((manifest.name.as_str(), manifest.config.vocab_size), ("numbers", 50_259));
    assert!(manifest.parent.unwrap().starts_with("tiny "));
    let roles: Vec<FileRole> = manifest.files.iter().map(|file| file.role).collect();
    assert!(roles.contains(&FileRole::ChatTemplate) && roles.contains(&FileRole::Tokenizer));
    assert!(!roles.contains(&FileRole::Adapter));
    let evaluation = manifest.evaluation.unwrap();
    // Of four answers of one or two digits, each ends with a token and the line end of ChatML.
    assert!((12..=16).contains(&evaluation.tokens), "{evaluation:?}");
    assert!(fs::read_to_string(version.join("chat_template.jinja")).unwrap().contains("<|im_start|>"));
    // It is trained further as it is, with its own template.
    let again = tempfile::tempdir().unwrap();
    let conversations = conversations(again.path());
    let store = again.path().join("store");
    let arguments = ["finetune", text(&version), "--conversations", text(&conversations), "--max-steps", "1"];
    let places = ["--store", text(&store), "--checkpoints", text(again.path())];
    gpt(&[&arguments[..], &places].concat());
    let (_, manifest) = only_version(&store).unwrap();
    assert_eq!(manifest.config.vocab_size, 50_259);
}

#[test]
fn lora_publishes_its_change_and_weights_that_have_it() {
    let (folder, said) = finetuned(&["--lora", "2", "--max-steps", "3"]);
    assert!(said.contains("a change of rank 2"), "{said}");
    let store = folder.path().join("store");
    let (version, manifest) = only_version(&store).unwrap();
    let adapter: Vec<_> =
        manifest.files.iter().filter(|file| file.role == FileRole::Adapter).map(|file| &file.path).collect();
    assert_eq!(adapter, ["adapter_model.safetensors", "adapter_config.json"]);
    let peft = folder.path().join("peft");
    gpt(&["export", text(&version), "--format", "peft", "--to", text(&peft)]);
    // The same adapter on the same base is the same model.
    let (base, _) = only_version(tiny_store()).unwrap();
    let hf = folder.path().join("hf");
    gpt(&["export", text(&base), "--format", "hf", "--to", text(&hf)]);
    let merged = folder.path().join("merged");
    let arguments = ["import", text(&hf), "--adapter", text(&peft), "--name", "merged"];
    gpt(&[&arguments[..], &["--store", text(&merged)]].concat());
    let (imported, _) = only_version(&merged).unwrap();
    let sampled = |version: &Path| gpt(&["sample", text(version), "--prompt", "What", "--temperature", "0"]);
    assert_eq!(sampled(&imported), sampled(&version));
    let message =
        refusal(&["export", text(&base), "--format", "peft", "--to", text(&folder.path().join("x"))]);
    assert!(message.contains("has no adapter") && message.contains("--format hf"), "{message}");
}

#[test]
fn what_is_set_says_how_conversations_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let conversations = conversations(folder.path());
    let arguments = [
        &["--conversations", text(&conversations), "--dry-run"][..],
        &["--set", "training.train_fraction=0.5", "--set", "model.dropout=0.3"],
    ];
    let arguments = finetune(folder.path(), &arguments.concat());
    let output = run("gpt", &arguments.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("20 to train on, 20 to validate with"), "{said}");
    assert!(said.contains("dropout = 0.3") && output.status.success(), "{said}");
}

#[test]
fn what_cannot_be_learned_is_refused_before_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let conversations = conversations(folder.path());
    let wrong = folder.path().join("wrong.jsonl");
    fs::write(&wrong, "{\"question\": \"a\", \"answer\": \"b\"}\n{\"question\": \"a\"}\n").unwrap();
    let endless = folder.path().join("endless.jinja");
    fs::write(&endless, "{% for m in messages %}{{ m.content }}\n{% endfor %}").unwrap();
    let conversations = text(&conversations);
    for (arguments, expected) in [
        (&["--conversations", text(&wrong)][..], "line 2: it has `question`, and no `answer`"),
        (&["--conversations", conversations, "--corpus", conversations], "one after the other"),
        (&["--conversations", conversations, "--chat-template", "chatml", "--lora"], "leave out --lora"),
        (
            &["--conversations", conversations, "--chat-template", "alpaca"],
            "neither built in (instruction, chatml",
        ),
        (&["--conversations", conversations, "--chat-template", text(&endless)], "ends an answer with"),
        (
            &["--conversations", conversations, "--set", "training.stride=3"],
            "`training.stride` is for windows",
        ),
        (&["--conversations", conversations, "--deduplicate"], "--deduplicate is for --corpus"),
        (&["--corpus", conversations, "--chat-template", "chatml"], "--chat-template is for --conversations"),
        (&["--conversations", conversations, "--preset", "auto"], "--preset auto chooses the shape"),
        (&["--conversations", conversations, "--set", "lora.rank=0", "--lora"], "`lora.rank` is 0"),
    ] {
        let arguments = finetune(folder.path(), arguments);
        let message = refusal(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(message.contains(expected), "{expected}: {message}");
    }
    assert!(!folder.path().join("store").exists());
}
