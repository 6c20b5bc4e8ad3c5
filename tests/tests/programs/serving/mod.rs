//! Served API end to end: answers, versions that change while it serves, and Lambda.

mod answers;
mod challenger;
mod lambda;
mod metrics;
mod versions;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use e2e::folders::copy_folder;
use e2e::process::{Lambda, Server, request};
use e2e::trained::{store_of_two as store, visible_versions};
use s3_server::{ACCESS_KEY, BUCKET, S3Server};
use serde_json::{Value, json};

/// The versions, the older first.
pub(crate) fn versions() -> [String; 2] {
    let mut names: Vec<String> = visible_versions(store())
        .unwrap()
        .iter()
        .map(|folder| folder.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names.try_into().unwrap()
}

/// The pointer to a version.
pub(crate) fn pointer(version: &str) -> String {
    let manifest = fs::read(store().join("models/tiny").join(version).join("manifest.json")).unwrap();
    let digest = artifact::Sha256Hex::of_bytes(&manifest);
    json!({"name": "tiny", "version": version, "manifest_sha256": digest.as_str(), "previous": null})
        .to_string()
}

/// An S3 server with the store in it, and a channel that names the first version.
pub(crate) struct Remote {
    pub(crate) server: S3Server,
    pub(super) cache: tempfile::TempDir,
}

impl Remote {
    pub(crate) fn start() -> Self {
        let server = S3Server::start_beside();
        copy_folder(store(), &server.folder("store")).unwrap();
        let remote = Self { server, cache: tempfile::tempdir().unwrap() };
        remote.point_to(&pointer(&versions()[0]));
        remote
    }

    pub(crate) fn point_to(&self, pointer: &str) {
        fs::write(self.server.folder("store/channels/live.json"), pointer).unwrap();
    }

    pub(super) fn serve(&self) -> Server {
        let cache = self.cache.path().to_string_lossy().into_owned();
        let arguments = ["--cache", &cache, "--check-interval", "0.2"];
        Server::start_with(&location(), &arguments, &self.server.environment(ACCESS_KEY)).unwrap()
    }

    pub(super) fn serve_in_lambda(&self) -> Lambda {
        self.serve_in_lambda_with(&[])
    }

    /// In Lambda, with variables besides.
    pub(crate) fn serve_in_lambda_with(&self, more: &[(&'static str, String)]) -> Lambda {
        let mut environment = self.server.environment(ACCESS_KEY);
        environment.extend_from_slice(more);
        environment.extend([
            ("MODEL_STORE", location()),
            ("MODEL_CACHE", self.cache.path().to_string_lossy().into_owned()),
            ("MODEL_CHECK_SECONDS", "0.2".to_owned()),
        ]);
        Lambda::start(&environment).unwrap()
    }

    /// A copy of a version under another name, with one of its files changed.
    pub(super) fn spoil(&self, file: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> String {
        let models = self.server.folder("store/models/tiny");
        let [_, version] = versions();
        let path = models.join(&version).join(file);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, change(bytes)).unwrap();
        version
    }
}

pub(super) fn location() -> String {
    format!("s3://{BUCKET}/store")
}

pub(crate) fn served_version(url: &str) -> String {
    request("GET", url, "text/plain", "").unwrap().1["model"]["version"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Sends a request and reads the head of the answer; the rest can be read, or not.
pub(super) fn open(url: &str, head: &str, body: &str) -> (String, BufReader<TcpStream>) {
    let address = url.strip_prefix("http://").unwrap();
    let (address, path) = address.split_once('/').map_or((address, ""), |(address, path)| (address, path));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let length = body.len();
    write!(
        stream,
        "{head} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}",
        head = head.replace("PATH", &format!("/{path}"))
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    (head.to_lowercase(), reader)
}

/// The data of a stream's events until one named `done`, or the end.
pub(super) fn events(reader: impl BufRead) -> Vec<(String, Value)> {
    let (mut events, mut name) = (Vec::new(), String::new());
    for line in reader.lines() {
        let line = line.unwrap();
        if let Some(event) = line.strip_prefix("event: ") {
            name = event.to_owned();
        } else if let Some(data) = line.strip_prefix("data: ") {
            events.push((name.clone(), serde_json::from_str(data).unwrap()));
            if name == "done" {
                break;
            }
        }
    }
    events
}
