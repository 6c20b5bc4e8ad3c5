//! Tokenizers of one's own, from the training to an answer: trained on a text, bytes, and one from elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use artifact::manifest::FileRole;
use artifact::tokenizer::json::tokenizer_json;
use artifact::tokenizer::{Bpe, Pattern};
use artifact::{GptConfig, Tokenizer};
use burn::module::Module;
use e2e::folders::{copy_folder, text};
use e2e::process::{Server, gpt, post, python, refusal, run};
use e2e::trained::{corpus, only_version};
use gpt::preset::Preset;
use gpt::tokenizer::read_tokenizer;
use gpt::{Gpt, device, weights};
use serde_json::json;

/// Trains the preset `tiny` with a tokenizer.
fn train(store: &Path, tokenizer: &str, more: &[&str]) -> PathBuf {
    let (corpus, checkpoints) = (corpus(), store.join("checkpoints"));
    let arguments = ["train", "--preset", "tiny", "--name", "own", "--store", text(store)];
    let texts = ["--corpus", text(&corpus), "--checkpoints", text(&checkpoints), "--tokenizer", tokenizer];
    gpt(&[&arguments[..], &texts, more].concat());
    only_version(store).unwrap().0
}

/// A store with a model whose tokenizer is trained.
fn trained() -> &'static Path {
    static STORE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let store = STORE.get_or_init(|| {
        let store = tempfile::tempdir().unwrap();
        train(store.path(), "train:600", &["--set", "tokenizer.pattern=cl100k"]);
        store
    });
    store.path()
}

fn tokenizer_of(folder: &Path) -> Tokenizer {
    read_tokenizer(folder).unwrap().tokenizer
}

#[test]
fn a_version_carries_the_tokenizer_that_its_training_made() {
    let (version, manifest) = only_version(trained()).unwrap();
    let tokenizer = tokenizer_of(&version);
    assert_eq!((manifest.config.vocab_size, tokenizer.vocab_size()), (600, 600));
    assert_eq!(manifest.tokenizer, Some(tokenizer.reference()));
    let carried = manifest.files.iter().filter(|file| file.role == FileRole::Tokenizer);
    assert_eq!(carried.map(|file| file.path.as_str()).collect::<Vec<_>>(), ["tokenizer.json"]);
    let preset = fs::read_to_string(version.join("preset.toml")).unwrap();
    assert!(preset.contains("source = \"train:600\"") && preset.contains("vocab_size = 600"), "{preset}");

    // Serving: text, stream, ids and an inspection.
    let server = Server::start_with(text(trained()), &["--precision", "float32"], &[]).unwrap();
    let request = json!({"prompt": "The", "max_tokens": 12, "temperature": 0});
    let (status, answer) = post(&format!("{}/generate", server.url), &request).unwrap();
    assert_eq!((status, &answer["usage"]["completion_tokens"]), (200, &json!(12)), "{answer}");
    let said =
        gpt(&["sample", text(&version), "--prompt", "The", "--max-tokens", "12", "--temperature", "0"]);
    let expected = format!("The{}", answer["response"].as_str().unwrap());
    assert_eq!(said.trim_end_matches('\n'), expected.trim_end_matches('\n'));
    let ids = tokenizer.encode("The painter");
    let (status, inspected) =
        post(&format!("{}/inspect", server.url), &json!({"prompt": "The painter"})).unwrap();
    let found: Vec<u64> =
        inspected["tokens"].as_array().unwrap().iter().map(|token| token["id"].as_u64().unwrap()).collect();
    assert_eq!((status, found), (200, ids.iter().map(|&id| u64::from(id)).collect()));
    // An id that GPT-2 has and this tokenizer does not.
    let request = json!({"model": "own", "prompt": [600], "max_tokens": 1});
    assert_eq!(post(&format!("{}/v1/completions", server.url), &request).unwrap().0, 400);
    let request = json!({"model": "own", "prompt": "", "max_tokens": 1});
    assert_eq!(post(&format!("{}/v1/completions", server.url), &request).unwrap().0, 200);
}

#[test]
fn other_commands_ask_the_version() {
    let (version, _) = only_version(trained()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let said = gpt(&["evaluate", text(&version), "--corpus", text(&corpus()), "--windows", "2"]);
    assert!(said.contains("evaluated on"), "{said}");
    let store = folder.path().join("copy");
    gpt(&["publish", text(&version), "--store", text(&store)]);
    let copy = only_version(&store).unwrap().0;
    assert_eq!(tokenizer_of(&copy).reference(), tokenizer_of(&version).reference());
    // Trained further, and imported from an export.
    let further = folder.path().join("further");
    let (corpus, checkpoints) = (corpus(), folder.path().join("checkpoints"));
    let arguments = ["finetune", text(&version), "--preset", "tiny", "--store", text(&further)];
    let arguments =
        [&arguments[..], &["--corpus", text(&corpus), "--checkpoints", text(&checkpoints)]].concat();
    gpt(&[&arguments[..], &["--set", "training.epochs=1"]].concat());
    assert_eq!(only_version(&further).unwrap().1.tokenizer, only_version(trained()).unwrap().1.tokenizer);
    let message = refusal(&[&arguments[..], &["--tokenizer", "train"]].concat());
    assert!(message.contains("--tokenizer is for files of weights"), "{message}");
    let hf = folder.path().join("hf");
    gpt(&["export", text(&version), "--format", "hf", "--to", text(&hf)]);
    let imported = folder.path().join("imported");
    gpt(&["import", text(&hf), "--name", "m", "--store", text(&imported)]);
    assert_eq!(only_version(&imported).unwrap().1.tokenizer, only_version(trained()).unwrap().1.tokenizer);
    let gguf = folder.path().join("m.gguf");
    gpt(&["export", text(&version), "--format", "gguf", "--to", text(&gguf)]);
    let bytes = fs::read(gguf).unwrap();
    assert!(bytes.windows(9).any(|window| window == b"llama-bpe"));
}

#[test]
fn a_carried_tokenizer_is_verified_before_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let version = only_version(trained()).unwrap().0;
    let copy = folder.path().join("copy");
    copy_folder(&version, &copy).unwrap();
    let path = copy.join("tokenizer.json");
    let changed = fs::read_to_string(&path).unwrap().replacen("\"e\": ", "\"e\":  ", 1);
    fs::write(&path, changed).unwrap();
    let message = refusal(&["sample", text(&copy), "--prompt", "The"]);
    assert!(message.contains("tokenizer.json") && message.contains("expected"), "{message}");
}

#[test]
fn bytes_are_a_tokenizer_and_a_file_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("bytes");
    let version = train(&store, "bytes", &["--set", "training.epochs=1"]);
    let manifest = only_version(&store).unwrap().1;
    assert_eq!(manifest.config.vocab_size, 257);
    // Its file for another model, padded.
    let store = folder.path().join("file");
    let file = version.join("tokenizer.json");
    train(&store, text(&file), &["--set", "training.epochs=1", "--set", "model.vocab_size=320"]);
    let padded = only_version(&store).unwrap().1;
    assert_eq!((padded.config.vocab_size, padded.tokenizer), (320, manifest.tokenizer));
}

#[test]
fn a_tokenizer_is_trained_without_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let corpus = corpus();
    let train = |to: &Path, more: &[&str]| {
        let arguments = ["tokenizer", "train", "--corpus", text(&corpus), "--to", text(to)];
        run("gpt", &[&arguments[..], more].concat()).unwrap()
    };
    for name in ["a.json", "b.json"] {
        assert!(train(&file(name), &["--vocab-size", "700", "--pattern", "o200k"]).status.success());
    }
    assert_eq!(fs::read(file("a.json")).unwrap(), fs::read(file("b.json")).unwrap());
    let tokenizer = tokenizer_of(&file("a.json"));
    assert_eq!((tokenizer.vocab_size(), tokenizer.pattern()), (700, Some(Pattern::O200k)));
    assert!(!train(&file("a.json"), &[]).status.success(), "the file exists");
    assert!(!train(&file("c.json"), &["--vocab-size", "256"]).status.success());
    assert!(!train(&file("c.json"), &["--pattern", "p50k"]).status.success());
}

#[test]
fn wrong_tokenizers_are_refused_before_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus();
    let refusal = |more: &[&str]| {
        let arguments =
            ["train", "--preset", "tiny", "--corpus", text(&corpus), "--store", text(folder.path())];
        refusal(&[&arguments[..], more].concat())
    };
    let message = refusal(&["--tokenizer", "none"]);
    assert!(message.contains("--tokenizer none is for weights from elsewhere"), "{message}");
    let message = refusal(&["--tokenizer", "no/such/tokenizer.json"]);
    assert!(message.contains("there is no tokenizer"), "{message}");
    let message = refusal(&["--tokenizer", "train:600", "--set", "model.vocab_size=300"]);
    assert!(message.contains("`model.vocab_size` is 300, expected at least 600"), "{message}");
    fs::write(folder.path().join("tokenizer.model"), "x").unwrap();
    let message = refusal(&["--tokenizer", text(folder.path())]);
    assert!(message.contains("it is a tokenizer of SentencePiece"), "{message}");
    let wordpiece = json!({"model": {"type": "WordPiece", "vocab": {}}});
    fs::write(folder.path().join("tokenizer.json"), wordpiece.to_string()).unwrap();
    let message = refusal(&["--tokenizer", text(folder.path())]);
    assert!(message.contains("its model is WordPiece, expected BPE"), "{message}");
}

/// A vocabulary of more than 65,536 ids: ids of four bytes on disk, from the training to an answer.
#[test]
fn large_vocabularies_have_longer_ids() {
    let folder = tempfile::tempdir().unwrap();
    // Numbers of two, three and five digits, the last from the others; few of them are used.
    let numbers =
        |count: u32, digits| (0..count).map(move |number| format!("{number:0digits$}").into_bytes());
    let made = numbers(100, 2).chain(numbers(1000, 3)).chain(numbers(66_000, 5)).collect();
    let tokenizer = Tokenizer::new(Bpe::trained(Pattern::Gpt2, made)).unwrap();
    assert!(tokenizer.vocab_size() > 65_536);
    let file = folder.path().join("tokenizer.json");
    fs::write(&file, tokenizer_json(&tokenizer)).unwrap();
    let store = folder.path().join("store");
    let version = train(&store, text(&file), &["--set", "training.epochs=1"]);
    assert_eq!(only_version(&store).unwrap().1.config.vocab_size, tokenizer.vocab_size());
    gpt(&["sample", text(&version), "--prompt", "The", "--max-tokens", "3"]);
}

/// `AutoTokenizer` reads exported folders, and gives the ids that serving gives.
#[test]
fn transformers_reads_exported_tokenizers() {
    let folder = tempfile::tempdir().unwrap();
    let version = only_version(trained()).unwrap().0;
    let hf = folder.path().join("hf");
    gpt(&["export", text(&version), "--format", "hf", "--to", text(&hf)]);
    check(&hf);

    // One from elsewhere, with `<s>` first: made by Hugging Face's library, imported, and exported again.
    let foreign = folder.path().join("foreign");
    let config = GptConfig { vocab_size: 500, ..Preset::named("tiny", &[]).unwrap().model };
    weights::export_hf(&Gpt::new(&config, &device::cpu()).valid(), None, &foreign).unwrap();
    python("check_tokenizer.py", &[Path::new("make"), &foreign, &corpus()]).unwrap();
    check(&foreign);
    let store = folder.path().join("store");
    gpt(&["import", text(&foreign), "--name", "foreign", "--store", text(&store)]);
    let version = only_version(&store).unwrap().0;
    assert_eq!(tokenizer_of(&version).end_of_text(), Some(2));
    let again = folder.path().join("again");
    gpt(&["export", text(&version), "--format", "hf", "--to", text(&again)]);
    check(&again);
}

/// Compares the ids of texts with those that transformers gives with the tokenizer in a folder.
fn check(folder: &Path) {
    let tokenizer = tokenizer_of(folder);
    let texts = ["The painting was", " it's\n\n  12345 naïve 字。🎨\t"];
    let cases: Vec<_> =
        texts.iter().map(|text| json!({"text": text, "ids": tokenizer.encode(text)})).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    let end_of_text = tokenizer.end_of_text();
    fs::write(file.path(), json!({"cases": cases, "end_of_text": end_of_text}).to_string()).unwrap();
    python("check_tokenizer.py", &[Path::new("check"), folder, file.path()]).unwrap();
}
