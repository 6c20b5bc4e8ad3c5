//! Metrics of a service that is not a function: lines for CloudWatch on standard output.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use e2e::process::{command, post};
use e2e::trained::tiny_store;
use serde_json::{Value, json};

#[test]
fn a_service_writes_its_metrics_to_standard_output() {
    let store = tiny_store().to_string_lossy().into_owned();
    let arguments = ["--store", &store, "--listen", "127.0.0.1:0", "--metrics-service", "stage-a"];
    let mut server = command("generate", &arguments).unwrap().stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map(Result::unwrap);
    let url = lines.find_map(|line| Some(line.strip_prefix("listening on ")?.to_owned())).unwrap();
    let (status, _) =
        post(&format!("{url}/generate"), &json!({"prompt": "The", "max_tokens": 3, "seed": 1})).unwrap();
    assert_eq!(status, 200);
    // Within ten seconds it writes what it has counted.
    let found: Value = lines
        .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
        .find(|line| line.get("Tokens").is_some())
        .unwrap();
    let metrics = &found["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(metrics["Namespace"], "TroelsLLM");
    assert_eq!(metrics["Dimensions"], json!([["Service"]]));
    assert_eq!(found["Service"], "stage-a");
    assert_eq!((&found["Tokens"], &found["Queue"]), (&json!(3), &json!(0.0)), "{found}");
    server.kill().unwrap();
    server.wait().unwrap();
}
