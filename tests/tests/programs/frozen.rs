//! Lambda as it is: a function that is frozen between requests, one that has several at once, one that cannot load.

use std::fs;
use std::time::Duration;

use anyhow::ensure;
use e2e::process::{eventually, post, request};
use serde_json::{Value, json};

use crate::serving::{Remote, pointer, served_version, versions};

/// Longer than any timer of a download.
const FROZEN: Duration = Duration::from_secs(9);

/// The function is awake for its requests alone, its connections break while it is not, and yet a version arrives that
/// takes longer to load than a request takes.
#[test]
fn a_new_version_takes_over_in_a_function_that_is_frozen_between_requests() {
    let remote = Remote::start();
    let lambda = remote.serve_in_lambda_with(&[]);
    let [first, second] = versions();
    assert_eq!(served_version(&lambda.url), first);

    let graph = remote.server.folder("store/models/tiny").join(&second).join("model.w4.onnx");
    lambda.freeze().unwrap();
    remote.point_to(&pointer(&second));
    remote.server.read_from_memory();
    // A load takes about four seconds then. No request is held so long.
    remote.server.throttle(fs::metadata(graph).unwrap().len() / 4);
    std::thread::sleep(Duration::from_millis(300)); // for the next look to be due
    let mut served = Vec::new();
    while served.len() < 5 && served.last() != Some(&second) {
        lambda.thaw().unwrap();
        served.push(served_version(&lambda.url));
        lambda.freeze().unwrap();
        remote.server.cut_answers();
        if served.last() != Some(&second) {
            std::thread::sleep(FROZEN);
        }
    }
    lambda.thaw().unwrap();
    let log = lambda.log();
    assert_eq!(served.last(), Some(&second), "{served:?} {log}");
    assert!(served.len() > 2, "the load was too short to be interrupted: {served:?}");
    assert!(!log.contains("could not be loaded"), "{log}");
    let metrics = eventually(|| {
        let lines = lambda.metrics();
        let metrics: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        ensure!(metrics.iter().filter(|line| line.get("LoadModel").is_some()).count() == 2, "{lines}");
        Ok(metrics)
    })
    .unwrap();
    assert!(metrics.iter().all(|line| line.get("LoadFailures").is_none()), "{metrics:?}");
    // The time awake.
    let times: Vec<_> = metrics.iter().filter_map(|line| line["LoadModel"][0].as_f64()).collect();
    assert!(times.len() == 2 && times[1] > 3_000.0 && times[1] < 9_000.0, "{times:?} {metrics:?}");
}

/// A Managed Instance: what waits for the model does not keep others waiting.
#[test]
fn several_requests_run_at_once_in_one_environment() {
    let remote = Remote::start();
    let channel = remote.server.folder("store/channels/live.json");
    fs::remove_file(&channel).unwrap();
    let lambda = remote.serve_in_lambda_with(&[
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "lambda-managed-instances".to_owned()),
        ("AWS_LAMBDA_MAX_CONCURRENCY", "4".to_owned()),
        ("MAX_CONCURRENT", "4".to_owned()),
    ]);
    let generate = format!("{}/generate", lambda.url);
    let ask = json!({"prompt": "The painting", "max_tokens": 20, "seed": 5});
    assert_eq!(post(&generate, &ask).unwrap().0, 503);
    remote.server.throttle(1_000);
    remote.point_to(&pointer(&versions()[0]));
    std::thread::scope(|scope| {
        std::thread::sleep(Duration::from_millis(300)); // for the next look to be due
        let texts = [(); 3].map(|()| scope.spawn(|| post(&generate, &ask).unwrap()));
        eventually(|| {
            let status = request("GET", &lambda.url, "text/plain", "").unwrap().1["status"].clone();
            ensure!(status == "loading", "{status}");
            Ok(())
        })
        .unwrap();
        assert!(texts.iter().all(|text| !text.is_finished()));
        remote.server.throttle(0);
        let texts = texts.map(|text| text.join().unwrap());
        let (status, alone) = post(&generate, &ask).unwrap();
        assert_eq!(status, 200, "{alone}");
        for (status, text) in texts {
            assert_eq!((status, &text["response"]), (200, &alone["response"]), "{text}");
        }
    });
}

/// A pinned version with a damaged file is loaded once, however many ask.
#[test]
fn a_pinned_version_that_cannot_load_is_tried_once() {
    let remote = Remote::start();
    let [_, version] = versions();
    let graph = remote.server.folder("store/models/tiny").join(&version).join("model.w4.onnx");
    let mut bytes = fs::read(&graph).unwrap();
    bytes[99] ^= 1;
    fs::write(&graph, bytes).unwrap();
    let lambda = remote.serve_in_lambda_with(&[("MODEL_VERSION", format!("tiny/{version}"))]);
    let refused = || {
        let (status, answer) = post(&format!("{}/generate", lambda.url), &json!({"prompt": "The"})).unwrap();
        assert_eq!((status, &answer["error"]["code"]), (503, &json!("no_model")), "{answer}");
    };
    refused();
    let requests = remote.server.requests();
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(210));
        refused();
    }
    assert_eq!(remote.server.requests(), requests);
    assert_eq!(lambda.log().matches("the model could not be loaded").count(), 1, "{}", lambda.log());
}
