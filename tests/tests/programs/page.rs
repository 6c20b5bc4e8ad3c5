//! The server's side of the page: its files, and everything known about the model.

use std::fs;

use e2e::process::{Server, request};
use e2e::trained::{only_version, tiny_store};
use serde_json::{Value, json};

/// The status, the headers and the body of an answer.
fn get(url: &str, accept: &str) -> (u16, ureq::http::HeaderMap, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut response = agent.get(url).header("accept", accept).call().unwrap();
    let body = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), response.headers().clone(), body)
}

/// A browser gets the page, without a key; everything else is the API's.
#[test]
fn the_page_is_beside_the_api() {
    let page = tempfile::tempdir().unwrap();
    fs::write(page.path().join("index.html"), "<title>page</title>").unwrap();
    fs::create_dir(page.path().join("assets")).unwrap();
    fs::write(page.path().join("assets/a.js"), "//").unwrap();
    fs::write(page.path().parent().unwrap().join("outside-of-the-page.txt"), "secret").unwrap();
    let (folder, store) = (page.path().to_string_lossy(), tiny_store().to_string_lossy());
    let key = artifact::Sha256Hex::of_bytes(b"the key");
    let arguments =
        ["--site", &folder, "--site-apis", "https://other.example/", "--api-key-sha256", key.as_str()];
    let server = Server::start_with(&store, &arguments, &[]).unwrap();
    let url = |path: &str| format!("{}{path}", server.url);
    let browser = "text/html,application/xhtml+xml,*/*;q=0.8";

    for path in ["/", "/index.html"] {
        let (status, headers, body) = get(&url(path), browser);
        assert_eq!((status, body.as_str()), (200, "<title>page</title>"));
        assert_eq!(headers["content-type"], "text/html");
        assert_eq!(headers["cache-control"], "no-cache");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("style-src 'self';"), "{policy}");
        assert!(policy.contains("connect-src 'self' https://other.example;"), "{policy}");
    }
    assert_eq!(get(&url("/assets/a.js"), "*/*").1["content-type"], "text/javascript");
    let config: Value = serde_json::from_str(&get(&url("/config.json"), "*/*").2).unwrap();
    assert_eq!(config, json!({"api": "", "compare": ["https://other.example"]}));

    assert_eq!(get(&url("/"), "application/json").0, 401);
    for path in ["/../outside-of-the-page.txt", "/%2e%2e/outside-of-the-page.txt", "/assets", "/nothing.js"] {
        assert_eq!(get(&url(path), browser).0, 401, "{path}");
    }
    let (status, answer) = request("POST", &url("/index.html"), "application/json", "{}").unwrap();
    assert_eq!((status, &answer["error"]["code"]), (401, &json!("unauthorized")));
}

#[test]
fn all_that_is_known_about_the_model_is_told() {
    let (folder, _) = only_version(tiny_store()).unwrap();
    let server = Server::start(tiny_store()).unwrap();
    let (status, answer) = request("GET", &format!("{}/model", server.url), "text/plain", "").unwrap();
    assert_eq!((status, &answer["status"], &answer["loading"]), (200, &json!("ready"), &Value::Null));
    let manifest: Value = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(answer["manifest"], manifest);
    let metrics = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let lines = metrics.lines().map(|line| serde_json::from_str(line).unwrap());
    let curve: Vec<Value> = lines.filter(|line: &Value| line.get("val_loss").is_some()).collect();
    assert!(metrics.lines().count() > curve.len(), "steps are recorded, and are no part of the curve");
    assert_eq!(answer["curve"], json!(curve));
    let start = |part: &str| answer["start"][part].as_f64().unwrap();
    assert!(start("session_ms") > 0.0 && start("ready_ms") >= start("files_ms") + start("session_ms"));
}
