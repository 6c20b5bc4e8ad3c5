//! Answers through Lambda's runtime API, and traces.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::ensure;
use e2e::process::{Lambda, Server, eventually, post, request};
use serde_json::{Value, json};

use super::{Remote, events, pointer, store, versions};

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
