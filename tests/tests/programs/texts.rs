//! Texts as people have them: folders of all kinds of files, separators, poems, languages without spaces. What is
//! read, what is left out and what is said.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use e2e::process::{error_message, run};
use e2e::trained::{excerpt, only_version, tiny_store, visible_versions};
use serde_json::Value;

/// A folder with texts, and a place to train in.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        fs::create_dir(bench.path("texts")).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path("texts").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    fn gzip(&self, name: &str) {
        assert!(Command::new("gzip").arg(self.path("texts").join(name)).status().unwrap().success());
    }

    fn train(&self, arguments: &[&str]) -> Output {
        let [texts, store, checkpoints, cache] =
            ["texts", "store", "checkpoints", "cache"].map(|name| self.path(name).display().to_string());
        let common = ["train", "--preset", "tiny", "--name", "tiny", "--corpus", &texts, "--store", &store];
        let folders = ["--checkpoints", &checkpoints, "--cache", &cache];
        let quick = ["--set", "training.epochs=1", "--set", "training.final_evaluation_windows=2"];
        let tokenizer = ["--tokenizer", "bytes"];
        run("gpt", &[&common[..], &folders, &quick, &tokenizer, arguments].concat()).unwrap()
    }

    /// What a training says that succeeds, whether its version is better than the last or not.
    fn said(&self, arguments: &[&str]) -> String {
        let output = self.train(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
        said.replace(&self.path("texts").display().to_string(), "texts")
    }

    fn refusal(&self, arguments: &[&str]) -> String {
        let message = error_message(&self.train(arguments)).unwrap();
        assert!(visible_versions(&self.path("store")).unwrap().is_empty());
        message
    }
}

/// Paragraphs that are different each.
fn paragraphs(count: usize) -> String {
    let paragraph = |number| {
        format!("Paragraph {number} of this text is about the number {number}.\nIt has two lines.\n\n")
    };
    (0..count).map(paragraph).collect()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn a_folder_of_all_kinds_of_files_is_read_and_what_is_left_out_is_named() {
    let bench = Bench::new();
    bench.write("notes.txt", utf16(&paragraphs(40)));
    bench.write("page.html", "<!DOCTYPE html><html><body>A page.</body></html>");
    bench.write("scan.pdf", "%PDF-1.7\n\u{1}");
    let line =
        |number: usize| format!("{{\"text\": \"Record {number} is one document.\", \"id\": {number}}}\n");
    bench.write("records.jsonl", (0..60).map(line).collect::<String>());
    bench.gzip("records.jsonl");
    bench.write("novel.txt", "他从街上走过来，没有人看见他。她坐在窗前，等了一个下午。".repeat(200));
    bench.write("._novel.txt", [0, 5, 22, 7]);
    let said = bench.said(&[]);
    for expected in [
        "corpus texts: 3 files are left out:\n  ._novel.txt: a hidden file\n",
        "  page.html: an HTML page; take its text: pandoc",
        "  scan.pdf: a PDF; take its text: pdftotext",
        "corpus texts/notes.txt: UTF-16 (little endian)\n",
        "corpus texts/records.jsonl.gz: JSON Lines, gzip; 60 documents in `text`\n",
        "corpus: 62 documents in 3 files: ",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    let (_, manifest) = only_version(&bench.path("store")).unwrap();
    let files = manifest.training.unwrap().corpus;
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["notes.txt", "novel.txt", "records.jsonl.gz"]);
    assert_eq!(manifest.example_prompts.len(), 3);
    let prompts = manifest.example_prompts.concat();
    assert!(!prompts.contains('\0') && prompts.contains("Paragraph"), "{prompts}");
}

#[test]
fn the_field_of_a_record_that_is_its_text_can_be_named() {
    let bench = Bench::new();
    let line = |number: usize| format!("{{\"body\": \"Record {number} has a body.\", \"text\": \"\"}}\n");
    bench.write("records.jsonl", (0..60).map(line).collect::<String>());
    let said = bench.said(&["--text-field", "body"]);
    assert!(said.contains("corpus texts/records.jsonl: JSON Lines; 60 documents in `body`\n"), "{said}");
}

#[test]
fn a_folder_of_poems_is_split_by_whole_poems() {
    let bench = Bench::new();
    for number in 0..200 {
        bench.write(
            &format!("{number}.txt"),
            format!("Roses are red, number {number} is due,\nsugar is sweet."),
        );
    }
    let said = bench.said(&[]);
    let expected = "corpus: 200 documents in 200 files: 180 to train on, 20 to validate with\n";
    assert!(said.contains(expected), "{said}");
    // Twice the same poem, which stays where it is.
    bench.write("again.txt", "Roses are red, number 7 is due,\nsugar is sweet.");
    let said = bench.said(&[]);
    let expected = "1 document is identical to earlier ones (47 characters), such as again.txt to 7.txt";
    let reversed = expected.replace("again.txt to 7.txt", "7.txt to again.txt");
    assert!(said.contains(expected) || said.contains(&reversed), "{said}");
    assert!(bench.said(&["--deduplicate"]).contains("1 left out as identical to others"));
}

#[test]
fn stories_in_one_file_are_documents_and_so_are_the_books_of_gutenberg() {
    let bench = Bench::new();
    let story = |number: usize| format!("Story {number} begins. It is short, and it ends.\n<|endoftext|>\n");
    bench.write("stories.txt", (0..359).map(story).collect::<String>());
    let said = bench.said(&[]);
    assert!(
        said.contains("corpus texts/stories.txt: 359 documents, separated by \"<|endoftext|>\"\n"),
        "{said}"
    );
    let said = bench.said(&["--set", "corpus.separator=\"\""]);
    assert!(!said.contains("359 documents"), "{said}");

    let bench = Bench::new();
    let book = |number: usize| {
        let marker = |word| format!("*** {word} OF THE PROJECT GUTENBERG EBOOK {number} ***\n");
        format!("Title\n{}\n{}\n{}Licence.\n", marker("START"), paragraphs(30), marker("END"))
    };
    bench.write("books.txt", [book(1), book(2), book(3)].concat());
    let said = bench.said(&[]);
    assert!(said.contains("corpus texts/books.txt: 3 books of Project Gutenberg; "), "{said}");
    assert!(said.contains(" bytes of headers and licences are left out\n"), "{said}");
}

#[test]
fn texts_to_validate_with_may_be_given() {
    let bench = Bench::new();
    bench.write("a.txt", paragraphs(50));
    let validation = bench.path("validation.txt");
    fs::write(&validation, &paragraphs(70).as_bytes()[2_000..]).unwrap();
    let said = bench.said(&["--validation", validation.to_str().unwrap()]);
    assert!(said.contains("corpus: 2 documents in 2 files: 1 to train on, 1 to validate with\n"), "{said}");
    let (folder, manifest) = only_version(&bench.path("store")).unwrap();
    assert_eq!(manifest.training.unwrap().corpus.len(), 2);
    let preset = fs::read_to_string(folder.join("preset.toml")).unwrap();
    assert!(preset.contains("validation = ["), "{preset}");
}

#[test]
fn a_model_is_evaluated_on_a_file_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = excerpt(folder.path()).unwrap().display().to_string();
    let tokens = |arguments: &[&str]| {
        let store = tiny_store().display().to_string();
        let common = ["evaluate", "--store", &store, "--corpus", &corpus, "--json"];
        let output = run("gpt", &[&common[..], arguments].concat()).unwrap();
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        (json["evaluation"]["tokens"].as_u64().unwrap(), json["corpus"][0]["tokens"].as_u64().unwrap())
    };
    let (evaluated, all) = tokens(&[]);
    assert_eq!(evaluated, all - 1);
    let (evaluated, _) = tokens(&["--train-fraction", "0.9"]);
    assert!(evaluated < all / 5, "{evaluated} of {all}");
}

#[test]
fn chinese_and_thai_are_trained_on() {
    for text in
        ["他从街上走过来，没有人看见他。她坐在窗前，等了一个下午。", "วันหนึ่งฉันเดินเข้าไปในป่าแล้วพบกับเพื่อนเก่า"]
    {
        let bench = Bench::new();
        // As a whole in one line, longer than what is encoded at once for want of a word's end.
        bench.write("novel.txt", text.repeat(60));
        bench.said(&[]);
        let (_, manifest) = only_version(&bench.path("store")).unwrap();
        let prompt = &manifest.example_prompts[0];
        assert!(!prompt.is_empty() && text.starts_with(prompt.as_str()), "{prompt}");
    }
    let bench = Bench::new();
    bench.write("novel.txt", paragraphs(50));
    bench.said(&["--set", "sample.prompts=[\"One prompt\", \"两\"]"]);
    let (_, manifest) = only_version(&bench.path("store")).unwrap();
    assert_eq!(manifest.example_prompts, ["One prompt", "两"]);
}

#[test]
fn what_cannot_be_read_is_refused_with_the_remedy() {
    for (name, contents, expected) in [
        ("a.pdf", &b"%PDF-1.7"[..], "texts/a.pdf: it is a PDF; take its text: pdftotext"),
        ("a.zip", b"PK\x03\x04", "texts/a.zip: it is a ZIP archive; unpack it"),
        ("a.txt", b"<html>", "texts/a.txt: it is an HTML page"),
        ("a.json", b"[{}]", "texts/a.json: it is one JSON array; make it JSON Lines"),
        (
            "a.jsonl",
            b"{\"content\": \"a\"}",
            "texts/a.jsonl: line 1: expected a text in the field `text`, found `content`",
        ),
        ("a.jsonl", b"one\n", "texts/a.jsonl: line 1: not a JSON object"),
        ("a.parquet", b"<Error/>", "texts/a.parquet: it is named .parquet, but not Parquet"),
        ("a.parquet", b"PAR1....", "texts/a.parquet: it cannot be read as Parquet"),
        ("a.txt.gz", b"\x1f\x8b\x08\x00", "texts/a.txt.gz: its gzip data is damaged or incomplete"),
        ("a.txt", b"caf\xe9 ", "texts/a.txt: byte 3 is not valid UTF-8; find out the encoding"),
        ("a.txt", b"\xff\xfea\0\0\xdcb\0", "texts/a.txt: byte 4 is not valid UTF-16 (little endian)"),
    ] {
        let bench = Bench::new();
        bench.write(name, contents);
        let message = bench.refusal(&[]);
        assert!(message.contains(expected), "{name}: {message}");
        assert!(!Path::new(&bench.path("store/models")).join("tiny").join("manifest.json").exists());
    }
}
