//! Choice of the demo's training text. No test reaches the network: a proxy that does not exist stands in
//! for a machine without one.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::process::{free_port, root};

const STORY: &str = "training/corpus/the-north-light.txt";

/// The path that the script prints and what it says, with an empty environment but for this.
fn demo_text(cache: &Path, proxy_port: u16, corpus_dir: Option<&Path>) -> (String, String) {
    let output = Command::new("python3")
        .arg("scripts/demo_text.py")
        .current_dir(root())
        .env_remove("CORPUS_DIR")
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .env("https_proxy", format!("http://127.0.0.1:{proxy_port}"))
        .env("TROELSLLM_CACHE", cache)
        .envs(corpus_dir.map(|folder| ("CORPUS_DIR", folder)))
        .output()
        .unwrap();
    let [path, said] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{said}");
    (path.trim_end().to_owned(), said)
}

#[test]
fn the_folder_that_corpus_dir_names_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().unwrap();
    let (path, said) = demo_text(folder.path(), port, Some(folder.path()));
    assert_eq!(path, STORY);
    assert!(said.contains("although CORPUS_DIR is set"), "{said}");

    let text = folder.path().join("the-verdict.txt");
    std::fs::write(&text, "any text").unwrap();
    let (path, said) = demo_text(&folder.path().join("cache"), port, Some(folder.path()));
    assert_eq!(Path::new(&path), text);
    assert!(said.contains("from the folder that CORPUS_DIR names"), "{said}");
}

#[test]
fn without_network_it_is_the_own_story_and_a_damaged_download_is_not_used() {
    let cache = tempfile::tempdir().unwrap();
    std::fs::write(cache.path().join("the-verdict.txt"), "half of a te").unwrap();
    let (path, said) = demo_text(cache.path(), free_port().unwrap(), None);
    assert_eq!(path, STORY);
    assert!(said.contains("the project's own story, since") && said.contains("refused"), "{said}");
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 1, "something is left behind");
}

#[test]
fn a_network_that_does_not_answer_holds_nobody_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let cache = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let (path, said) = demo_text(cache.path(), silent.local_addr().unwrap().port(), None);
    assert_eq!(path, STORY);
    assert!(said.contains("timed out") && start.elapsed() < Duration::from_secs(14), "{said}");
}
