//! Third-party clients of the API: OpenAI's and others that speak it, and Schemathesis, which tests against the schema.

use std::path::Path;

use e2e::folders::text;
use e2e::process::{Server, gpt, python};
use e2e::trained::{excerpt, only_version, tiny_store};
use serde_json::Value;

#[test]
fn the_client_of_openai_gets_what_it_expects() {
    let server = Server::start(tiny_store()).unwrap();
    print!("{}", python("check_openai.py", &[Path::new(&server.url)]).unwrap());
}

/// Evaluation with lm-eval finds what `gpt evaluate` finds for the export that is served.
#[test]
fn other_clients_get_what_they_expect_as_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let story = excerpt(folder.path()).unwrap();
    let found = gpt(&["evaluate", "--store", text(tiny_store()), "--corpus", text(&story), "--json"]);
    let found: Value = serde_json::from_str(&found).unwrap();
    let exports = found["exports"].as_array().unwrap();
    let served = exports.iter().find(|export| export["precision"] == "w4").unwrap();
    let (_, manifest) = only_version(tiny_store()).unwrap();
    let numbers = [served["bits_per_byte"].to_string(), manifest.config.context_length.to_string()];
    let server = Server::start(tiny_store()).unwrap();
    let arguments = [Path::new(&server.url), &story, Path::new(&numbers[0]), Path::new(&numbers[1])];
    print!("{}", python("check_clients.py", &arguments).unwrap());
}

#[test]
fn every_answer_is_as_the_schema_says() {
    let server = Server::start(tiny_store()).unwrap();
    print!("{}", python("check_schema.py", &[Path::new(&server.url)]).unwrap());
}
