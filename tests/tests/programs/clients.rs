//! Third-party clients of the API: OpenAI's, and Schemathesis, which tests against the schema.

use std::path::Path;

use e2e::process::{Server, python};
use e2e::trained::tiny_store;

#[test]
fn the_client_of_openai_gets_what_it_expects() {
    let server = Server::start(tiny_store()).unwrap();
    print!("{}", python("check_openai.py", &[Path::new(&server.url)]).unwrap());
}

#[test]
fn every_answer_is_as_the_schema_says() {
    let server = Server::start(tiny_store()).unwrap();
    print!("{}", python("check_schema.py", &[Path::new(&server.url)]).unwrap());
}
