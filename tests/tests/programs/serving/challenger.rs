//! Two channels beside each other: a challenger that answers a share of the requests.

use std::collections::BTreeSet;
use std::fs;

use anyhow::ensure;
use e2e::process::{Server, eventually, post, request};
use s3_server::ACCESS_KEY;
use serde_json::json;

use super::{Remote, location, pointer, versions};

/// The versions that answer `count` requests, which name a model or none.
fn answering(server: &Server, count: usize, model: Option<&str>) -> BTreeSet<String> {
    let ask = |_| {
        let mut body = json!({"prompt": "The", "max_tokens": 1});
        if let Some(model) = model {
            body["model"] = json!(model);
        }
        let (status, answer) = post(&format!("{}/v1/completions", server.url), &body).unwrap();
        assert_eq!(status, 200, "{answer}");
        answer["model"].as_str().unwrap().to_owned()
    };
    (0..count).map(ask).collect()
}

fn serve(remote: &Remote, share: &str) -> Server {
    let cache = remote.cache.path().to_string_lossy().into_owned();
    let arguments = ["--cache", &cache, "--challenger", "next", "--challenger-share", share];
    let server = Server::start_with(&location(), &arguments, &remote.server.environment(ACCESS_KEY)).unwrap();
    eventually(|| {
        let (_, listed) = request("GET", &format!("{}/v1/models", server.url), "text/plain", "")?;
        ensure!(listed["data"].as_array().is_some_and(|models| models.len() == 2), "{listed}");
        Ok(())
    })
    .unwrap();
    server
}

#[test]
fn a_challenger_answers_its_share_and_both_are_measured() {
    let remote = Remote::start();
    let [served, challenger] = versions().map(|version| format!("tiny/{version}"));
    fs::write(remote.server.folder("store/channels/next.json"), pointer(&versions()[1])).unwrap();
    let both: BTreeSet<_> = [served.clone(), challenger.clone()].into();

    let server = serve(&remote, "0.5");
    // That one of them never answers has a chance of 2 in 2^64.
    assert_eq!(answering(&server, 64, None), both);
    // Clients of OpenAI's API always name the model.
    assert_eq!(answering(&server, 64, Some("tiny")), both);
    for version in &both {
        assert_eq!(answering(&server, 8, Some(version)), [version.clone()].into());
    }
    let (_, listed) =
        request("GET", &format!("{}/v1/models/{challenger}", server.url), "text/plain", "").unwrap();
    assert_eq!(listed["id"], challenger);
    let (status, error) =
        post(&format!("{}/v1/completions", server.url), &json!({"prompt": "The", "model": "other"})).unwrap();
    assert_eq!(status, 404, "{error}");
    let metrics =
        ureq::get(format!("{}/metrics", server.url)).call().unwrap().body_mut().read_to_string().unwrap();
    let texts = |labels: &str| -> u64 {
        let prefix = format!("troelsllm_texts_total{labels} ");
        metrics.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or("0").parse().unwrap()
    };
    let [live, next] = ["live", "next"].map(|channel| texts(&format!("{{channel=\"{channel}\"}}")));
    assert_eq!(live + next, 144, "{metrics}");
    assert!(metrics.contains("\ntroelsllm_queue 0\n"), "{metrics}");
    assert!(live >= 8 && next >= 8, "{metrics}");

    assert_eq!(answering(&serve(&remote, "0"), 16, None), [served].into());
    assert_eq!(answering(&serve(&remote, "1"), 16, None), [challenger].into());
}

/// What is tried may be broken: nobody who asks notices.
#[test]
fn a_challenger_that_cannot_be_loaded_leaves_the_requests_to_the_served_model() {
    let remote = Remote::start();
    let cache = remote.cache.path().to_string_lossy().into_owned();
    let arguments = ["--cache", &cache, "--challenger", "next", "--challenger-share", "1"];
    let server = Server::start_with(&location(), &arguments, &remote.server.environment(ACCESS_KEY)).unwrap();
    eventually(|| {
        ensure!(server.log().contains("no channel `next`"), "{}", server.log());
        Ok(())
    })
    .unwrap();
    assert_eq!(answering(&server, 4, None), [format!("tiny/{}", versions()[0])].into());
}
