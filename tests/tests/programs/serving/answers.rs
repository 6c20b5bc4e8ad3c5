//! Answers of a server: streams, limits, keys and the insides of a model.

use std::io::Read;
use std::time::{Duration, Instant};

use anyhow::ensure;
use e2e::process::{Server, eventually, post, request};
use serde_json::json;

use super::{events, open, store};

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
