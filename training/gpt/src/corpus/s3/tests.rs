//! Texts in a bucket that others write to.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use artifact::Sha256Hex;
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use s3_server::{ACCESS_KEY, BUCKET, S3Server, SECRET};
use store::{Bucket, Credentials};
use tokio::net::TcpListener;

use super::{Limits, S3TextsError, download, download_one, safe_name};

const LIMITS: Limits = Limits { objects: 100, bytes: 1_000 };

fn open(endpoint: &str, bucket: &str) -> Bucket {
    let credentials = Credentials { access_key: ACCESS_KEY.to_owned(), secret: SECRET.to_owned() };
    Bucket::on_server(endpoint, &credentials, bucket)
}

/// A bucket that lists what it is told to hold, whatever the keys, as S3 does with an ETag for each.
#[derive(Clone, Default)]
struct TestBucket {
    objects: Arc<Mutex<BTreeMap<String, String>>>,
    /// Keys that were asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

impl TestBucket {
    fn holding(objects: &[(&str, &str)]) -> Self {
        let bucket = Self::default();
        for (key, text) in objects {
            bucket.put(key, text);
        }
        bucket
    }

    fn put(&self, key: &str, text: &str) {
        self.objects.lock().unwrap().insert(key.to_owned(), text.to_owned());
    }

    async fn start(&self) -> Bucket {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let bucket = self.clone();
        let router = Router::new().fallback(async move |request: Request| bucket.answer(&request));
        tokio::spawn(axum::serve(listener, router).into_future());
        open(&endpoint, "texts")
    }

    fn answer(&self, request: &Request) -> Response {
        let query = request.uri().query().unwrap_or_default();
        let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)).map(decoded);
        let objects = self.objects.lock().unwrap();
        if let Some(prefix) = parameter("prefix=") {
            let limit = parameter("max-keys=").map_or(1_000, |limit| limit.parse().unwrap());
            let found = objects.iter().filter(|(key, _)| key.starts_with(&prefix)).take(limit);
            let entries: String = found.map(|(key, text)| entry(key, text)).collect();
            return format!("<ListBucketResult>{entries}</ListBucketResult>").into_response();
        }
        let key = decoded(request.uri().path().strip_prefix("/texts/").unwrap());
        self.asked.lock().unwrap().push(key.clone());
        match objects.get(&key) {
            Some(text) => ([("etag", e_tag(text))], text.clone()).into_response(),
            None => (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response(),
        }
    }

    /// Downloads what is at `key`, and gives the texts.
    async fn texts(&self, key: &str, folder: &Path) -> Result<Vec<String>, S3TextsError> {
        let paths = download(&self.start().await, key, folder, &|_| (), &LIMITS).await?;
        assert!(paths.iter().all(|path| path.parent().unwrap().parent().unwrap() == folder), "{paths:?}");
        Ok(paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect())
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort();
        asked
    }
}

fn e_tag(text: &str) -> String {
    format!("\"{}\"", Sha256Hex::of_bytes(text.as_bytes()))
}

fn entry(key: &str, text: &str) -> String {
    let key = key.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<Contents><Key>{key}</Key><Size>{}</Size><ETag>{}</ETag></Contents>",
        text.len(),
        e_tag(text).replace('"', "&quot;")
    )
}

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn texts_come_in_the_order_of_their_keys_wherever_the_keys_point() {
    let keys =
        ["../../up.txt", "/etc/hosts.txt", "a b&<é+%2F.txt", "books/a.md", "books/b/c.TXT", "books//.."];
    let bucket = TestBucket::holding(&keys.map(|key| (key, key)));
    bucket.put("books/picture.png", "");
    bucket.put("books/txt", "");
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(bucket.texts("", folder.path()).await.unwrap(), &keys[..5]);
    assert_eq!(bucket.texts("books", folder.path()).await.unwrap(), ["books/a.md", "books/b/c.TXT"]);
    assert_eq!(bucket.texts("books/", folder.path()).await.unwrap(), ["books/a.md", "books/b/c.TXT"]);
    assert!(bucket.texts("boo", folder.path()).await.unwrap().is_empty());
    // Named exactly, an object need not be called a text.
    assert_eq!(bucket.texts("books//..", folder.path()).await.unwrap(), ["books//.."]);
}

#[test]
fn a_name_that_is_not_harmless_keeps_its_end() {
    for (name, expected) in
        [("故事.jsonl.gz", "text-.jsonl.gz"), ("..", "text-.."), ("a b.txt", "text-ab.txt")]
    {
        assert_eq!(safe_name(name), expected);
        assert!(artifact::manifest::is_safe_name(&safe_name(name)));
    }
    assert!(safe_name(&"a ".repeat(500)).len() < 128);
}

#[tokio::test]
async fn what_is_left_out_is_counted_and_named() {
    let bucket = TestBucket::holding(&[("texts/", ""), ("texts/a.jsonl.gz", ""), ("texts/b.parquet", "")]);
    for key in ["texts/._a.txt", "texts/.git/a.txt", "texts/picture.png"] {
        bucket.put(key, "");
    }
    let said = std::cell::RefCell::new(String::new());
    let folder = tempfile::tempdir().unwrap();
    let notify = |line: &str| said.borrow_mut().push_str(line);
    let paths = download(&bucket.start().await, "texts", folder.path(), &notify, &LIMITS).await.unwrap();
    assert_eq!(paths.len(), 2);
    let said = said.into_inner();
    let expected = [
        "corpus s3://texts/texts: 3 files are left out:",
        "  ._a.txt: a hidden file",
        "  .git/a.txt: a hidden file",
        "  picture.png: not named like a text",
    ];
    assert!(said.lines().zip(expected).all(|(line, expected)| line.starts_with(expected)), "{said}");
    assert_eq!(said.lines().count(), 4);
}

#[tokio::test]
async fn a_text_is_downloaded_again_only_if_it_has_changed() {
    let bucket = TestBucket::holding(&[("a.txt", "1"), ("b.txt", "2")]);
    let folder = tempfile::tempdir().unwrap();
    let download = async || (bucket.texts("", folder.path()).await.unwrap(), bucket.asked());
    assert_eq!(download().await.1, ["a.txt", "b.txt"]);
    assert_eq!(download().await, (vec!["1".to_owned(), "2".to_owned()], vec![]));
    bucket.put("b.txt", "3");
    assert_eq!(download().await, (vec!["1".to_owned(), "3".to_owned()], vec!["b.txt".to_owned()]));
}

#[tokio::test]
async fn what_changes_meanwhile_is_an_error_and_leaves_no_text() {
    let bucket = TestBucket::holding(&[("a.txt", "before")]);
    let folder = tempfile::tempdir().unwrap();
    let opened = bucket.start().await;
    let listed = opened.list("", 9).await.unwrap().remove(0);
    for change in [Some("after!"), None] {
        bucket.objects.lock().unwrap().clear();
        if let Some(text) = change {
            bucket.put("a.txt", text);
        }
        let error = download_one(&opened, &listed, &folder.path().join("a.txt")).await.unwrap_err();
        assert!(error.to_string().contains("s3://texts/a.txt: it changed while"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn too_many_objects_or_bytes_are_refused_before_the_download() {
    let bucket = TestBucket::holding(&[("a.txt", "1")]);
    let folder = tempfile::tempdir().unwrap();
    bucket.put("long.txt", &"x".repeat(1_000));
    let error = bucket.texts("", folder.path()).await.unwrap_err().to_string();
    assert!(error.contains("s3://texts/: its texts have 1001 bytes, more than 1000; name a part"), "{error}");
    for number in 0..99 {
        bucket.put(&format!("many/{number}"), "");
    }
    let error = bucket.texts("", folder.path()).await.unwrap_err().to_string();
    assert!(error.contains("more than 100 objects under it"), "{error}");
    assert_eq!(bucket.asked(), Vec::<String>::new());
    assert!(bucket.texts("many", folder.path()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_lists_no_tags_is_read_too() {
    let server = S3Server::start().await;
    fs::create_dir(server.folder("books")).unwrap();
    fs::write(server.folder("books/a.txt"), "a text").unwrap();
    let bucket = open(&server.endpoint, BUCKET);
    let folder = tempfile::tempdir().unwrap();
    let first = download(&bucket, "books", folder.path(), &|_| (), &LIMITS).await.unwrap();
    assert_eq!(first[0].file_name().unwrap(), "a.txt");
    assert_eq!(download(&bucket, "books", folder.path(), &|_| (), &LIMITS).await.unwrap(), first);
    fs::write(server.folder("books/a.txt"), "another text").unwrap();
    let second = download(&bucket, "books", folder.path(), &|_| (), &LIMITS).await.unwrap();
    assert_eq!(fs::read_to_string(&second[0]).unwrap(), "another text");
    assert_eq!(fs::read_to_string(&first[0]).unwrap(), "a text");

    let missing = open(&server.endpoint, "missing");
    let error = download(&missing, "books", folder.path(), &|_| (), &LIMITS).await.unwrap_err().to_string();
    assert!(error.contains("there is no such bucket"), "{error}");
}
