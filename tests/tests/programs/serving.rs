//! The served API end to end: limits, keys, streams, and models that change while it serves.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::ensure;
use artifact::draft;
use e2e::confined::on_small_disk;
use e2e::folders::copy_folder;
use e2e::process::{Lambda, Server, command, eventually, post, request};
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
    cache: tempfile::TempDir,
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

    fn serve(&self) -> Server {
        let cache = self.cache.path().to_string_lossy().into_owned();
        let arguments = ["--cache", &cache, "--check-interval", "0.2"];
        Server::start_with(&location(), &arguments, &self.server.environment(ACCESS_KEY)).unwrap()
    }

    fn serve_in_lambda(&self) -> Lambda {
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
    fn spoil(&self, file: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> String {
        let models = self.server.folder("store/models/tiny");
        let [_, version] = versions();
        let path = models.join(&version).join(file);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, change(bytes)).unwrap();
        version
    }
}

fn location() -> String {
    format!("s3://{BUCKET}/store")
}

pub(crate) fn served_version(url: &str) -> String {
    request("GET", url, "text/plain", "").unwrap().1["model"]["version"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Sends a request and reads the head of the answer; the rest can be read, or not.
fn open(url: &str, head: &str, body: &str) -> (String, BufReader<TcpStream>) {
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
fn events(reader: impl BufRead) -> Vec<(String, Value)> {
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

#[test]
fn a_stream_is_the_text_in_pieces() {
    let server = Server::start(store()).unwrap();
    let url = format!("{}/generate", server.url);
    let ask = json!({"prompt": "The painting", "max_tokens": 40, "seed": 5, "temperature": 1.0});
    let (_, whole) = post(&url, &ask).unwrap();
    let mut streamed = ask.clone();
    streamed["stream"] = json!(true);
    let (head, reader) = open(&url, "POST PATH", &streamed.to_string());
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    let events = events(reader);
    let pieces: String = events.iter().filter_map(|(_, data)| data["text"].as_str()).collect();
    let (name, done) = events.last().unwrap();
    assert_eq!((name.as_str(), &done["response"]), ("done", &whole["response"]));
    assert_eq!(pieces, whole["response"].as_str().unwrap());
    assert!(events.len() > 10, "{}", events.len());
}

#[test]
fn a_text_ends_before_its_stop_and_at_its_deadline() {
    let server = Server::start_with(&store().to_string_lossy(), &["--time-limit", "0.15"], &[]).unwrap();
    let url = format!("{}/generate", server.url);
    let ask = json!({"prompt": "The painting", "max_tokens": 30, "temperature": 0});
    let (_, whole) = post(&url, &ask).unwrap();
    let whole = whole["response"].as_str().unwrap();
    let stop: String = whole.chars().skip(3).take(4).collect();
    let mut stopped = ask.clone();
    stopped["stop"] = json!([stop, "never"]);
    let (_, answer) = post(&url, &stopped).unwrap();
    assert_eq!(answer["finish_reason"], "stop");
    assert_eq!(answer["response"].as_str().unwrap(), &whole[..whole.find(&stop).unwrap()]);

    // Texts longer than the context are computed anew again and again: 1000 tokens take longer than that.
    let (status, answer) = post(&url, &json!({"prompt": "The", "max_tokens": 1000, "seed": 1})).unwrap();
    assert_eq!((status, &answer["finish_reason"]), (200, &json!("deadline")), "{answer}");
    let tokens = answer["tokens_generated"].as_u64().unwrap();
    assert!(tokens > 0 && tokens < 1000, "{tokens}");
}

/// A client that leaves in the middle of a stream does not keep the model.
#[test]
fn a_client_that_leaves_ends_its_text() {
    let server = Server::start(store()).unwrap();
    let url = format!("{}/generate", server.url);
    let ask = json!({"prompt": "The", "max_tokens": 1000, "stream": true}).to_string();
    for _ in 0..3 {
        let (_, mut reader) = open(&url, "POST PATH", &ask);
        reader.read_exact(&mut [0; 100]).unwrap();
    }
    eventually(|| {
        let left = server.log().matches("the client left before the text was complete").count();
        ensure!(left == 3, "{}", server.log());
        Ok(())
    })
    .unwrap();
    assert_eq!(post(&url, &json!({"prompt": "The", "max_tokens": 1})).unwrap().0, 200);
}

/// One generates, one waits, and the others are told at once when to come back.
#[test]
fn too_many_requests_are_turned_away_quickly() {
    let arguments = ["--max-concurrent", "1", "--max-waiting", "1"];
    let server = Server::start_with(&store().to_string_lossy(), &arguments, &[]).unwrap();
    let url = format!("{}/generate", server.url);
    let long = json!({"prompt": "The", "max_tokens": 1000, "stream": true}).to_string();
    // On a slow machine the first text may have ended before the last client comes, or that one may come
    // before the one that should wait: then once more.
    eventually(|| {
        let (_, _first) = open(&url, "POST PATH", &long);
        let waiting = {
            let url = url.clone();
            std::thread::spawn(move || post(&url, &json!({"prompt": "The", "max_tokens": 1})).unwrap().0)
        };
        std::thread::sleep(Duration::from_millis(50));
        let start = Instant::now();
        let (head, _) = open(&url, "POST PATH", r#"{"prompt": "The"}"#);
        let (took, others_wait) = (start.elapsed(), !waiting.is_finished());
        let waited = waiting.join().unwrap();
        ensure!(head.starts_with("http/1.1 503") && others_wait && waited == 200, "{waited}, {head}");
        assert!(head.contains("retry-after: 1"), "{head}");
        assert!(took < Duration::from_secs(1), "{took:?}");
        Ok(())
    })
    .unwrap();
    assert_eq!(request("GET", &format!("{}/health", server.url), "text/plain", "").unwrap().0, 200);
}

/// What is ended for lack of memory can say nothing any more: it is said before.
#[test]
fn too_little_memory_is_in_the_log() {
    let log_of = |megabytes: &str| {
        let memory = [("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", megabytes.to_owned())];
        let server = Server::start_with(&store().to_string_lossy(), &[], &memory).unwrap();
        eventually(|| {
            ensure!(server.log().contains("model loaded"), "{}", server.log());
            Ok(server.log())
        })
        .unwrap()
    };
    let warning = "the function's memory is too small for the model";
    assert!(log_of("50").contains(warning));
    assert!(!log_of("512").contains(warning));
}

#[test]
fn keys_origins_and_headers_are_checked_and_set() {
    let key = artifact::Sha256Hex::of_bytes(b"the key");
    let arguments = ["--api-key-sha256", key.as_str(), "--cors-origins", "https://example.org"];
    let server = Server::start_with(&store().to_string_lossy(), &arguments, &[]).unwrap();
    let url = format!("{}/generate", server.url);
    let body = r#"{"prompt": "The", "max_tokens": 1}"#;
    let status = |head: &str| open(&url, head, body).0.split(' ').nth(1).unwrap().to_owned();
    assert_eq!(status("POST PATH"), "401");
    assert_eq!(open(&format!("{}/health", server.url), "GET PATH", "").0.split(' ').nth(1), Some("200"));

    let ask = |headers: &[(&str, &str)], method: &str| {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(&url)
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        agent.run(request.body(if method == "POST" { body } else { "" }).unwrap()).unwrap()
    };
    assert_eq!(ask(&[("x-api-key", "another key")], "POST").status(), 401);
    let answer = ask(&[("authorization", "Bearer the key"), ("origin", "https://example.org")], "POST");
    assert_eq!(answer.status(), 200);
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("access-control-allow-origin").as_deref(), Some("https://example.org"));
    assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"));
    assert_eq!(header("x-request-id").unwrap().len(), 16);
    // A browser asks first, and brings no key.
    let preflight = [
        ("origin", "https://example.org"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,x-stainless-os"),
    ];
    let answer = ask(&preflight, "OPTIONS");
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    assert_eq!(answer.headers()["access-control-allow-headers"], "content-type,x-stainless-os");
    let answer = ask(&[("origin", "https://elsewhere.org"), ("x-api-key", "the key")], "POST");
    assert!(answer.headers().get("access-control-allow-origin").is_none());
    assert!(!server.log().contains("\"The\""), "prompts are not logged: {}", server.log());
}

/// What is inside the model that answers.
#[test]
fn insides_are_told() {
    let server = Server::start(store()).unwrap();
    let url = format!("{}/inspect", server.url);
    let (status, answer) = post(&url, &json!({"prompt": "The painting was", "top_k": 3})).unwrap();
    assert_eq!(status, 200, "{answer}");
    let tokens: String =
        answer["tokens"].as_array().unwrap().iter().map(|token| token["text"].as_str().unwrap()).collect();
    assert_eq!(tokens, "The painting was");
    let attention = answer["attention"].as_array().unwrap();
    assert_eq!(attention.len(), 2);
    for head in attention.iter().flat_map(|layer| layer.as_array().unwrap()) {
        for (row, weights) in head.as_array().unwrap().iter().enumerate() {
            let weights: Vec<f64> =
                weights.as_array().unwrap().iter().map(|weight| weight.as_f64().unwrap()).collect();
            assert_eq!(weights.len(), row + 1);
            // Each is rounded to four digits.
            assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-3, "{weights:?}");
        }
    }
    // The most likely next token is what greedy decoding writes.
    let (_, greedy) = post(
        &format!("{}/generate", server.url),
        &json!({"prompt": "The painting was", "max_tokens": 1, "temperature": 0}),
    )
    .unwrap();
    assert_eq!(answer["next"][0]["text"], greedy["response"]);
    assert_eq!(answer["next"].as_array().unwrap().len(), 3);
    let (status, answer) = post(&url, &json!({"prompt": "word ".repeat(80)})).unwrap();
    assert_eq!((status, &answer["error"]["field"]), (422, &json!("prompt")));
}

/// The channel names another version: it takes over, and a text in the middle ends as it began.
#[test]
fn a_new_version_takes_over_between_requests() {
    let remote = Remote::start();
    let server = remote.serve();
    let [first, second] = versions();
    assert_eq!(served_version(&server.url), first);
    let ask = json!({"prompt": "The", "max_tokens": 1000, "stream": true}).to_string();
    let (_, reader) = open(&format!("{}/generate", server.url), "POST PATH", &ask);
    remote.point_to(&pointer(&second));
    eventually(|| {
        ensure!(served_version(&server.url) == second);
        Ok(())
    })
    .unwrap();
    assert_eq!(events(reader).last().unwrap().1["model"]["version"], first);
    let (_, details) = request("GET", &format!("{}/model", server.url), "text/plain", "").unwrap();
    assert_eq!((&details["model"]["version"], &details["start"]["ready_ms"]), (&json!(second), &Value::Null));
    let (_, answer) =
        post(&format!("{}/generate", server.url), &json!({"prompt": "The", "max_tokens": 1})).unwrap();
    assert_eq!(answer["model"]["version"], second);
    // They go after the second one answers: requests do not wait for that.
    eventually(|| {
        let cached: Vec<_> = fs::read_dir(remote.cache.path().join("models/tiny"))?.collect();
        ensure!(cached.len() == 1, "the first version's files are gone: {cached:?}");
        Ok(())
    })
    .unwrap();

    // Nothing is loaded again, and looking whether there is something takes one request.
    std::thread::sleep(Duration::from_millis(250)); // for a look that an answer above began
    let before = remote.server.requests();
    std::thread::sleep(Duration::from_millis(250));
    served_version(&server.url);
    std::thread::sleep(Duration::from_millis(250));
    assert_eq!(remote.server.requests() - before, 1);
}

/// Whatever is wrong with a new version, the old one goes on serving, the log says why, once, and the
/// next good version is taken.
#[test]
fn a_bad_version_leaves_the_old_one_serving() {
    type Change = fn(Vec<u8>) -> Vec<u8>;
    let faults: [(&str, &str, Change, &str); 4] = [
        ("cut", "model.w4.onnx", |bytes| bytes[..bytes.len() - 1].to_vec(), "length"),
        (
            "flipped",
            "model.w4.onnx",
            |mut bytes| {
                bytes[99] ^= 1;
                bytes
            },
            "sha256",
        ),
        ("damaged manifest", "manifest.json", |bytes| bytes[..100].to_vec(), "sha256"),
        (
            "unknown format",
            "manifest.json",
            |bytes| {
                String::from_utf8(bytes)
                    .unwrap()
                    .replacen("\"format_version\": 1", "\"format_version\": 99", 1)
                    .into_bytes()
            },
            "format",
        ),
    ];
    for (name, file, change, reason) in faults {
        let remote = Remote::start();
        let server = remote.serve();
        let [first, second] = versions();
        let good = fs::read(remote.server.folder("store/models/tiny").join(&second).join(file)).unwrap();
        remote.spoil(file, change);
        let mut target = pointer(&second);
        if name == "unknown format" {
            let manifest =
                fs::read(remote.server.folder("store/models/tiny").join(&second).join(file)).unwrap();
            assert_ne!(manifest, good, "the manifest was changed");
            let digest = artifact::Sha256Hex::of_bytes(&manifest);
            target = json!({"name": "tiny", "version": second, "manifest_sha256": digest.as_str(), "previous": null}).to_string();
        }
        remote.point_to(&target);
        let failed = || server.log().matches("the model could not be loaded").count();
        eventually(|| {
            served_version(&server.url);
            ensure!(failed() == 1, "{name}: {}", server.log());
            Ok(())
        })
        .unwrap();
        assert!(server.log().contains(reason), "{name}: {}", server.log());
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(210));
            assert_eq!(served_version(&server.url), first, "{name}");
        }
        assert_eq!(failed(), 1, "{name} is not tried again: {}", server.log());
        let (status, _) =
            post(&format!("{}/generate", server.url), &json!({"prompt": "The", "max_tokens": 1})).unwrap();
        assert_eq!(status, 200);
    }
}

/// A new version goes live without the file, and the log says so.
#[test]
fn a_bad_optional_file_costs_what_it_gives() {
    type Change = fn(Vec<u8>) -> Vec<u8>;
    let faults: [(&str, Change, &str); 3] = [
        (draft::FILE_NAME, |bytes| bytes[..bytes.len() / 2].to_vec(), "draft index"),
        ("metrics.jsonl", |_| b"{\"val_loss\": 1}\n".to_vec(), "loss curve"),
        ("metrics.jsonl", |_| vec![0xff; 20], "loss curve"),
    ];
    for (file, change, what) in faults {
        let remote = Remote::start();
        let server = remote.serve();
        let version = remote.spoil(file, change);
        remote.point_to(&pointer(&version));
        eventually(|| {
            ensure!(served_version(&server.url) == version, "{}", server.log());
            Ok(())
        })
        .unwrap();
        let (log, warning) = (server.log(), format!("the model is served without its {what}"));
        assert_eq!(log.matches(&warning).count(), 1, "{log}");
        assert!(!log.contains("could not be loaded"), "{log}");
        let ask = json!({"prompt": "The", "max_tokens": 1});
        assert_eq!(post(&format!("{}/generate", server.url), &ask).unwrap().0, 200);
    }
}

/// A store that is away for a while is no reason to stop, and none to give up.
#[test]
fn a_store_that_is_away_is_asked_again() {
    let remote = Remote::start();
    let server = remote.serve();
    let [first, second] = versions();
    remote.point_to(&pointer(&second));
    remote.server.refuse(true);
    eventually(|| {
        served_version(&server.url);
        ensure!(server.log().contains("the model could not be loaded"));
        Ok(())
    })
    .unwrap();
    assert_eq!(served_version(&server.url), first);
    remote.server.refuse(false);
    eventually(|| {
        ensure!(served_version(&server.url) == second);
        Ok(())
    })
    .unwrap();
}

/// Bytes that come too slowly are asked for again, and then given up; meanwhile the old version serves.
#[test]
fn a_store_that_drips_is_given_up() {
    let remote = Remote::start();
    let server = remote.serve();
    let [first, second] = versions();
    remote.server.throttle(20_000);
    remote.point_to(&pointer(&second));
    eventually(|| {
        ensure!(served_version(&server.url) == first);
        ensure!(server.log().contains("the download is too slow"), "{}", server.log());
        Ok(())
    })
    .unwrap();
    remote.server.throttle(0);
    eventually(|| {
        ensure!(served_version(&server.url) == second);
        Ok(())
    })
    .unwrap();
}

/// What does not fit on the disk is not begun, and nothing is left on it.
#[test]
fn a_disk_that_is_too_small_is_named() {
    let remote = Remote::start();
    let folder = tempfile::tempdir().unwrap();
    let (disk, kept) = (folder.path().join("disk"), folder.path().join("kept"));
    fs::create_dir(&disk).unwrap();
    let arguments = ["--store", &location(), "--listen", "127.0.0.1:0", "--cache", &disk.to_string_lossy()];
    let mut command = command("generate", &arguments).unwrap();
    command.envs(remote.server.environment(ACCESS_KEY));
    let output = on_small_disk(&command, &disk, 200, &kept);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("bytes are needed and") && message.contains("are free"), "{message}");
    let folders = fs::read_dir(kept.join("models/tiny")).unwrap();
    let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    assert_eq!(files.count(), 0, "{message}");
}

/// In Lambda there is nobody to read an error but the caller: a clear 503, and a recovery.
#[test]
fn without_a_model_the_answer_is_a_503_that_says_why() {
    let remote = Remote::start();
    fs::remove_file(remote.server.folder("store/channels/live.json")).unwrap();
    let lambda = remote.serve_in_lambda();
    let ask =
        || post(&format!("{}/generate", lambda.url), &json!({"prompt": "The", "max_tokens": 1})).unwrap();
    let expect = |reason: &str| {
        eventually(|| {
            let (status, answer) = ask();
            let message = answer["error"]["message"].as_str().unwrap_or_default().to_owned();
            ensure!(
                status == 503 && answer["error"]["code"] == "no_model" && message.contains(reason),
                "{answer}"
            );
            Ok(())
        })
        .unwrap();
    };
    expect("its channel names none yet");
    assert_eq!(request("GET", &format!("{}/health", lambda.url), "text/plain", "").unwrap().0, 200);
    assert_eq!(request("GET", &lambda.url, "text/plain", "").unwrap().1["status"], "unavailable");
    remote.point_to(&pointer(&versions()[0]).replace(&versions()[0], "20200101T000000Z-00000000"));
    expect("its files are missing");
    remote.server.refuse(true);
    expect("the store does not give it out");
    remote.server.refuse(false);
    remote.spoil("model.w4.onnx", |bytes| bytes[1..].to_vec());
    remote.point_to(&pointer(&versions()[1]));
    expect("its files are damaged");
    std::thread::sleep(Duration::from_millis(500));
    let start = Instant::now();
    expect("its files are damaged"); // known by now, and so at once
    expect("its files are damaged");
    assert!(start.elapsed() < Duration::from_secs(5));
    remote.point_to(&pointer(&versions()[0]));
    eventually(|| {
        ensure!(ask().0 == 200);
        Ok(())
    })
    .unwrap();
}

/// Through Lambda's runtime API, a text arrives as it is written.
#[test]
fn a_text_streams_through_lambda() {
    let environment =
        [("MODEL_STORE", store().to_string_lossy().into_owned()), ("RESPONSE_MODE", "streaming".to_owned())];
    let lambda = Lambda::start(&environment).unwrap();
    let url = format!("{}/generate", lambda.url);
    let ask = json!({"prompt": "The painting", "max_tokens": 60, "seed": 5});
    let (status, whole) = post(&url, &ask).unwrap();
    assert_eq!(status, 200, "{whole}");
    let mut streamed = ask.clone();
    streamed["stream"] = json!(true);
    let agent: ureq::Agent = ureq::Agent::new_with_defaults();
    let mut answer = agent.post(&url).send_json(&streamed).unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let events = events(BufReader::new(answer.body_mut().as_reader()));
    assert_eq!(events.last().unwrap().1["response"], whole["response"]);
    assert!(events.len() > 20, "{}", events.len());

    // Its metrics do not wait for the next request.
    let metrics = eventually(|| {
        let lines = lambda.metrics();
        let metrics: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let tokens: u64 = metrics.iter().filter_map(|line| line["Tokens"].as_u64()).sum();
        ensure!(tokens == 120, "{lines}");
        Ok(metrics)
    })
    .unwrap();
    let of_text = metrics.iter().find(|line| line.get("FirstToken").is_some()).unwrap();
    assert_eq!((&of_text["FunctionName"], &of_text["Model"]), (&json!("_"), &json!("tiny")));
    let declared = &of_text["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(
        (&declared["Namespace"], &declared["Dimensions"]),
        (&json!("TroelsLLM"), &json!([["FunctionName"]]))
    );
}

/// A collector that is named gets the spans of requests, those of their generations inside them.
#[test]
fn traces_go_to_a_collector() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let received = std::thread::spawn(move || {
        let (mut stream, _) = collector.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        // The exporter waits for the answer, so that all it sends comes first.
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            request.extend_from_slice(&buffer[..count]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        String::from_utf8_lossy(&request).into_owned()
    });
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)];
    let mut server = Server::start_with(&store().to_string_lossy(), &[], &environment).unwrap();
    post(&format!("{}/generate", server.url), &json!({"prompt": "The", "max_tokens": 1})).unwrap();
    server.process.signal("INT").unwrap();
    assert!(server.process.wait().unwrap().success());
    let received = received.join().unwrap();
    assert!(received.starts_with("POST /v1/traces"), "{received}");
    for text in ["troelsllm", "request", "generation", "/generate"] {
        assert!(received.contains(text), "{text}: {received}");
    }
}

#[test]
fn a_pinned_version_is_served_whatever_the_channel_names() {
    let [first, second] = versions();
    let pinned = format!("tiny/{first}");
    let arguments = ["--model-version", pinned.as_str(), "--check-interval", "0.1"];
    let server = Server::start_with(&store().to_string_lossy(), &arguments, &[]).unwrap();
    assert_ne!(first, second);
    assert_eq!(served_version(&server.url), first);
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(served_version(&server.url), first);
}
