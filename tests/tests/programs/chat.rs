//! Models that answer: their chat templates in every format, tasks with known answers, the gate, and `gpt chat`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use artifact::chat::{FILE_NAME, Message, Role};
use artifact::manifest::FileRole;
use artifact::{ChatTemplate, Manifest, Tokenizer};
use e2e::folders::text;
use e2e::process::{command, gpt, python, refusal, run};
use e2e::trained::{only_version, tiny_store};
use e2e::yes::{MARKS, SaysYes};
use gpt::preset::Preset;
use gpt::weights::{Language, export_hf};
use gpt::{Gpt, device};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A model as transformers has it.
fn exported(model: &SaysYes) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let hf = folder.path().join("hf");
    export_hf(&model.model, Some(model.language()), &hf).unwrap();
    (folder, hf)
}

/// A store with a model that says a word, and its version.
fn published(template: &str, word: &str) -> (TempDir, Manifest, PathBuf) {
    let (folder, hf) = exported(&SaysYes::new(template, word));
    let store = folder.path().join("store");
    gpt(&["import", text(&hf), "--name", "m", "--store", text(&store)]);
    let (version, manifest) = only_version(&store).unwrap();
    (folder, manifest, version)
}

fn says(role: Role, content: &str) -> Message {
    Message::new(role, content)
}

fn conversations() -> Vec<Vec<Message>> {
    let turns = [
        says(Role::User, " Is it so? "),
        says(Role::Assistant, "yes"),
        says(Role::User, "Är det så?\n\nSäg det."),
    ];
    vec![turns[..1].to_vec(), turns.to_vec(), [&[says(Role::System, "Be short.\n")], &turns[..]].concat()]
}

/// Where a text ends, transformers end it too: at the end of an answer, or where a text ends.
#[test]
fn transformers_asks_as_we_do() {
    for name in ChatTemplate::built_in_names() {
        let model = SaysYes::new(name, "yes");
        let (folder, hf) = exported(&model);
        let cases = folder.path().join("conversations.json");
        fs::write(&cases, json!(conversations()).to_string()).unwrap();
        let said = python("check_chat_template.py", &[&hf, &cases]).unwrap();
        let found: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        let expected: Vec<_> = conversations()
            .iter()
            .map(|messages| model.template.prompt(&model.tokenizer, messages).unwrap())
            .collect();
        assert_eq!(found["ids"], json!(expected), "{name}");
        let generation: Value =
            serde_json::from_slice(&fs::read(hf.join("generation_config.json")).unwrap()).unwrap();
        let end_of_text = model.tokenizer.end_of_text().unwrap();
        let end = model.template.end_of_answer(&model.tokenizer).unwrap();
        if name == "chatml" {
            assert_eq!(generation["eos_token_id"], json!([end, end_of_text]));
        } else {
            assert_eq!(generation["eos_token_id"], end_of_text, "{name}");
        }
        // These two ask for an answer after a line end.
        if ["chatml", "instruction"].contains(&name) {
            let answer = [model.tokenizer.encode("yes"), vec![end.unwrap()]].concat();
            assert_eq!(found["answer"], json!(answer), "{name}");
        }
    }
}

#[test]
fn a_chat_template_travels_with_its_model() {
    let (folder, manifest, version) = published("chatml", "yes");
    let chatml = ChatTemplate::built_in("chatml").unwrap();
    assert_eq!(manifest.file(FILE_NAME).unwrap().role, FileRole::ChatTemplate);
    assert_eq!(fs::read_to_string(version.join(FILE_NAME)).unwrap(), chatml.source());
    for format in ["hf", "onnx", "safetensors", "gguf"] {
        let to = folder.path().join(format!("as-{format}"));
        gpt(&["export", text(&version), "--format", format, "--to", text(&to)]);
        if format == "gguf" {
            let bytes = fs::read(&to).unwrap();
            let value = |key: &str, length: usize| {
                let start = bytes.windows(key.len()).position(|window| window == key.as_bytes()).unwrap();
                bytes[start + key.len()..][..length].to_vec()
            };
            // A text after its type and length, and a number after its type.
            let source = value("tokenizer.chat_template", 12 + chatml.source().len());
            assert_eq!(&source[12..], chatml.source().as_bytes());
            assert_eq!(value("tokenizer.ggml.eot_token_id", 8), [4, 0, 0, 0, 2, 1, 0, 0]); // 256 bytes, 256, 257, 258
            continue;
        }
        assert_eq!(fs::read_to_string(to.join(FILE_NAME)).unwrap(), chatml.source(), "{format}");
        let config: Value =
            serde_json::from_slice(&fs::read(to.join("tokenizer_config.json")).unwrap()).unwrap();
        assert_eq!(config["chat_template"], chatml.source(), "{format}");
        if format != "onnx" {
            let again = folder.path().join(format!("store-{format}"));
            let said = gpt(&["import", text(&to), "--name", "m", "--store", text(&again)]);
            assert!(said.contains("its chat template is chatml"), "{said}");
            assert_eq!(only_version(&again).unwrap().1.tokenizer, manifest.tokenizer, "{format}");
        }
    }
    // A copy in another store has it, too.
    let copy = folder.path().join("copy");
    gpt(&["publish", text(&version), "--store", text(&copy)]);
    assert_eq!(only_version(&copy).unwrap().1, manifest);
}

/// Without a template beside them, tokens beyond GPT-2's are left out.
#[test]
fn the_tokens_that_a_template_writes_stay() {
    let tokenizer = Tokenizer::gpt2().unwrap().with_special(&MARKS).unwrap();
    let template = ChatTemplate::built_in("chatml");
    let config = Preset::named("tiny", &[]).unwrap().model;
    let config = artifact::GptConfig { vocab_size: tokenizer.vocab_size(), ..config };
    let folder = tempfile::tempdir().unwrap();
    let (hf, store) = (folder.path().join("hf"), folder.path().join("store"));
    let language = Language { tokenizer: &tokenizer, chat_template: template.as_ref() };
    export_hf(&Gpt::new(&config, &device::cpu()), Some(language), &hf).unwrap();
    let output = run("gpt", &["import", text(&hf), "--name", "m", "--store", text(&store)]).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("neither read nor written"), "{said}");
    assert_eq!(only_version(&store).unwrap().1.tokenizer, Some(tokenizer.reference()));
    // With GPT-2's own, the template's marks are text.
    let gpt2 = folder.path().join("gpt2");
    let arguments = ["import", text(&hf), "--tokenizer", "gpt2", "--name", "m", "--store", text(&gpt2)];
    let said = String::from_utf8_lossy(&run("gpt", &arguments).unwrap().stderr).into_owned();
    assert!(said.contains("writes <|im_start|> and <|im_end|>, which its tokenizer reads as text"), "{said}");
    fs::write(hf.join(FILE_NAME), "{% for %}").unwrap();
    let message = refusal(&["import", text(&hf), "--name", "m", "--store", text(&store)]);
    assert!(message.contains(FILE_NAME) && message.contains("in line 1"), "{message}");
}

/// Three of five are right for a model that says `yes`, and two for one that says `no`.
fn tasks(folder: &Path) -> PathBuf {
    let path = folder.join("tasks.jsonl");
    let lines = [
        json!({"question": "Is it so?", "answer": "The \"Yes\"!"}),
        json!({"instruction": "Is it so?", "input": "no", "output": "no"}),
        json!({"prompt": "Is it so?", "choices": ["n", "yes"], "answer": 1}),
        json!({"prompt": "Is it so?", "choices": ["n", "y"], "answer": "n"}),
        json!({"messages": [says(Role::User, "Is it so?"), says(Role::Assistant, "yes")]}),
    ];
    fs::write(&path, lines.map(|line| line.to_string()).join("\n")).unwrap();
    path
}

#[test]
fn tasks_are_scored_as_can_be_derived_by_hand() {
    let (folder, _, version) = published("instruction", "yes");
    let tasks = tasks(folder.path());
    let evaluate = ["evaluate", text(&version), "--tasks", text(&tasks)];
    let json: Value = serde_json::from_str(&gpt(&[&evaluate[..], &["--json"]].concat())).unwrap();
    assert!(json.get("evaluation").is_none(), "{json}");
    let exports = json["tasks"].as_array().unwrap();
    assert_eq!((&exports[0]["precision"], &exports[1]["precision"]), (&json!("w4"), &json!("float32")));
    for export in exports {
        let figures = &export["figures"];
        assert_eq!(
            (&figures["exact_match_tasks"], &figures["multiple_choice_tasks"]),
            (&json!(3), &json!(2))
        );
        assert_eq!(
            (&figures["acc"], &figures["acc_norm"], &figures["score"]),
            (&json!(0.5), &json!(0.5), &json!(0.6))
        );
        assert_eq!(figures["too_long"], 0);
        let of_tasks = export["tasks"].as_array().unwrap();
        let found: Vec<_> = of_tasks.iter().map(|task| task["found"].as_str().unwrap()).collect();
        assert_eq!(found, ["yes", "yes", "yes", "y", "yes"]);
        let right: Vec<_> = of_tasks.iter().map(|task| task["is_right"].as_bool().unwrap()).collect();
        assert_eq!(right, [true, false, true, false, true]);
    }
    // A line end, three letters and the end of the text: four links.
    let [linked, other] = SaysYes::new("instruction", "yes").log_probs(4);
    let of_tasks = &exports[1]["tasks"];
    let close = |found: &Value, expected: f64| {
        let found = found.as_f64().unwrap();
        assert!((found - expected).abs() < 1e-4, "{found}, expected {expected}");
    };
    close(&of_tasks[2]["log_likelihoods"][0], other);
    close(&of_tasks[2]["log_likelihoods"][1], 3.0 * linked);
    close(&of_tasks[3]["likelihood"]["log_likelihood"], other);
    close(&of_tasks[4]["likelihood"]["log_likelihood"], 3.0 * linked);
    let likelihood = &of_tasks[4]["likelihood"];
    assert_eq!((&likelihood["tokens"], &likelihood["bytes"]), (&json!(3), &json!(3)));

    let said = gpt(&[&evaluate[..], &["--show", "1"]].concat());
    assert!(said.contains("evaluated on 5 tasks: 3 by exact match, 2 by choice"), "{said}");
    assert!(said.contains("66.7%") && said.contains("60.0%"), "{said}");
    assert!(said.ends_with("task 2: expected \"no\", found \"yes\"\n"), "{said}");
    fs::write(&tasks, "{\"prompt\": [], \"answer\": \"a\"}").unwrap();
    let message = refusal(&evaluate);
    assert!(message.contains("tasks.jsonl, line 1: expected `prompt` to be a text, found []"), "{message}");
}

/// It continues the text to the end of the line, though it would go on.
#[test]
fn a_model_without_a_template_continues_the_question() {
    let SaysYes { model, tokenizer, .. } = SaysYes::new("instruction", "yes\n");
    let folder = tempfile::tempdir().unwrap();
    let (hf, tasks) = (folder.path().join("hf"), folder.path().join("tasks.json"));
    export_hf(&model, Some((&tokenizer).into()), &hf).unwrap();
    let long = "x".repeat(300);
    let list = json!([
        {"prompt": "Is it so?\n", "answer": "yes"},
        {"prompt": long, "answer": "yes"},
    ]);
    fs::write(&tasks, list.to_string()).unwrap();
    let evaluate = ["evaluate", text(&hf), "--tasks", text(&tasks)];
    let json: Value = serde_json::from_str(&gpt(&[&evaluate[..], &["--json"]].concat())).unwrap();
    let figures = &json["tasks"][0]["figures"];
    assert_eq!((&figures["exact_match"], &figures["too_long"]), (&json!(0.5), &json!(1)), "{json}");
    assert_eq!(json["tasks"][0]["tasks"][1]["found"], Value::Null);
    let said = gpt(&[&evaluate[..], &["--show", "9"]].concat());
    assert!(said.contains("found nothing: it does not fit into the context"), "{said}");
}

#[test]
fn versions_are_promoted_by_what_they_do_right() {
    let (folder, yes) = exported(&SaysYes::new("instruction", "yes"));
    let (_other, no) = exported(&SaysYes::new("instruction", "no"));
    let (tasks, store) = (tasks(folder.path()), folder.path().join("store"));
    let import = |model: &Path, more: &[&str]| {
        let arguments = ["import", text(model), "--name", "m", "--store", text(&store), "--promote", "live"];
        let by_tasks = ["--gate", "tasks", "--tasks", text(&tasks)];
        let output = run("gpt", &[&arguments[..], &by_tasks, more].concat()).unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        (output.status.code(), said)
    };
    let (code, said) = import(&yes, &["--min-score", "0.7"]);
    assert!(code == Some(3) && said.contains("its task score is 0.6000, expected at least 0.7"), "{said}");
    let (code, said) = import(&yes, &["--min-score", "0.6"]);
    assert!(code == Some(0) && said.contains("its task score is 0.6000\nchannel live"), "{said}");
    let (code, said) = import(&no, &[]);
    assert!(code == Some(3) && said.contains("that of the version being served is 0.6000"), "{said}");
    assert!(said.contains("its task score is 0.4000"), "{said}");
    let (code, said) = import(&no, &["--task-margin", "0.25"]);
    assert!(code == Some(0) && said.contains("0.4000, that of the version being served 0.6000"), "{said}");

    // A copy is judged in the same way.
    let versions = e2e::trained::visible_versions(&store).unwrap();
    let publish = ["publish", text(&versions[0]), "--store", text(&store), "--promote", "live"];
    let said = gpt(&[&publish[..], &["--gate", "tasks", "--tasks", text(&tasks)]].concat());
    assert!(said.contains("that of the version being served 0.4000"), "{said}");

    let refused = |more: &[&str]| refusal(&[&publish[..], more].concat());
    assert!(refused(&["--gate", "tasks"]).contains("pass --tasks FILE"));
    assert!(refused(&["--tasks", text(&tasks)]).contains("--tasks is for --gate tasks"));
    assert!(refused(&["--min-score", "1"]).contains("--min-score is for --gate tasks"));
    let message = refused(&["--gate", "tasks", "--tasks", text(&tasks), "--margin", "1"]);
    assert!(message.contains("--margin is for --gate loss"), "{message}");
    let message = refusal(&[&publish[..4], &["--gate", "tasks", "--tasks", text(&tasks)]].concat());
    assert!(message.contains("pass --promote"), "{message}");
}

/// What `gpt chat` prints, and what it says besides.
fn chat(arguments: &[&str], input: &str) -> (String, String) {
    let mut chat = command("gpt", &[&["chat"], arguments].concat()).unwrap();
    let mut process =
        chat.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let [answers, besides] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{besides}");
    (answers, besides)
}

#[test]
fn a_conversation_can_be_had_in_a_terminal() {
    let (_folder, manifest, version) = published("instruction", "yes");
    let (answers, besides) =
        chat(&[text(&version), "--temperature", "0"], "Is it so?\n\n/undo\n/undo\n/old\nAgain?");
    assert_eq!(answers, "yes\nyes\n");
    assert!(besides.starts_with(&format!("m {}, a language model of ", manifest.version)), "{besides}");
    assert!(besides.contains("there is nothing to take back"), "{besides}");
    assert!(besides.contains("/old is no command, expected /new or /undo"), "{besides}");
    assert!(!besides.contains("> "), "{besides}");

    // The context holds 256 bytes, of which a quarter is for the answer. It holds three of these exchanges.
    let question = "Is it so, and not so?\n".repeat(8);
    let asked = format!("{question}{}\n/new\nIs it so?\n", "x".repeat(200));
    let arguments = [text(&version), "--temperature", "0", "--system", "Be short."];
    let (answers, besides) = chat(&arguments, &asked);
    assert_eq!(answers, "yes\n".repeat(9));
    assert!(besides.contains("expected at most 192: ask for less at once"), "{besides}");
    let (answers, _) = chat(&[&arguments[..], &["--max-tokens", "2"]].concat(), "Is it so?");
    assert_eq!(answers, "ye\n");

    let message = refusal(&["chat", "--store", text(tiny_store())]);
    assert!(message.contains("has no chat template") && message.contains("`gpt sample`"), "{message}");
}
