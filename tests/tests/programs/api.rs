//! The API as clients of other servers use it: lists of prompts, penalties, chat, tokens, errors, paths and keys.

use artifact::Tokenizer;
use artifact::tokenizer::END_OF_TEXT;
use e2e::process::{Server, post, request};
use e2e::trained::{only_version, tiny_store};
use serde_json::{Value, json};

/// A server, and ways to ask it.
struct Api(Server);

impl Api {
    fn start() -> Self {
        Self(Server::start(tiny_store()).unwrap())
    }

    fn ask(&self, route: &str, body: &Value) -> (u16, Value) {
        post(&format!("{}{route}", self.0.url), body).unwrap()
    }

    fn get(&self, route: &str) -> (u16, Value) {
        request("GET", &format!("{}{route}", self.0.url), "text/plain", "").unwrap()
    }

    /// The answer to a completion request, in which `more` says what is not usual.
    fn complete(&self, more: Value) -> Value {
        let mut body = json!({"prompt": "The painting", "max_tokens": 8, "temperature": 0});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, answer) = self.ask("/v1/completions", &body);
        assert_eq!(status, 200, "{body}: {answer}");
        answer
    }

    /// The status, and a header of the answer in lower case.
    fn header(&self, route: &str, headers: &[(&str, &str)], body: &str, name: &str) -> (u16, Option<String>) {
        let mut builder = ureq::http::Request::builder().method("POST").uri(format!("{}{route}", self.0.url));
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let answer = agent.run(builder.body(body.to_owned()).unwrap()).unwrap();
        let value = answer.headers().get(name).map(|value| value.to_str().unwrap().to_lowercase());
        (answer.status().as_u16(), value)
    }
}

fn text(answer: &Value) -> String {
    answer["choices"][0]["text"].as_str().unwrap().to_owned()
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// Each prompt gets among others what it gets alone, in the order of prompts and then of choices.
#[test]
fn several_prompts_are_answered_as_each_alone() {
    let api = Api::start();
    let prompts = ["The painting", "A man", ""];
    let options = json!({"temperature": 1, "seed": 5, "n": 2, "logprobs": 1});
    let with = |prompt: Value| {
        let mut options = options.clone();
        options["prompt"] = prompt;
        api.complete(options)
    };
    let together = with(json!(prompts));
    let choices = together["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 6);
    let mut usage = [0, 0];
    for (prompt, of_prompt) in prompts.iter().zip(choices.chunks(2)) {
        let alone = with(json!(prompt));
        for (index, choice) in of_prompt.iter().enumerate() {
            assert_eq!(choice["text"], alone["choices"][index]["text"]);
            assert_eq!(choice["logprobs"], alone["choices"][index]["logprobs"]);
        }
        usage[0] += alone["usage"]["prompt_tokens"].as_u64().unwrap();
        usage[1] += alone["usage"]["completion_tokens"].as_u64().unwrap();
    }
    for (index, choice) in choices.iter().enumerate() {
        assert_eq!(choice["index"], index);
    }
    let found = ["prompt_tokens", "completion_tokens"].map(|name| together["usage"][name].as_u64().unwrap());
    assert_eq!(found, usage);

    let tokenizer = Tokenizer::gpt2().unwrap();
    let ids = [tokenizer.encode("The painting"), tokenizer.encode("A man"), vec![END_OF_TEXT]];
    assert_eq!(with(json!(ids))["choices"], together["choices"], "lists of ids are the same prompts");
    assert_eq!(with(json!(ids[0]))["choices"], with(json!(prompts[0]))["choices"]);
    let (status, answer) = api.ask("/v1/completions", &json!({"prompt": vec!["x"; 65], "n": 2}));
    assert_eq!((status, &answer["error"]["param"]), (400, &json!("n")), "{answer}");
}

/// What is off or null changes nothing, and what nobody knows is named.
#[test]
fn fields_that_change_nothing_are_taken() {
    let api = Api::start();
    let sampled = json!({"temperature": 1, "seed": 3});
    let expected = text(&api.complete(sampled.clone()));
    let off = json!({
        "top_k": -1, "top_p": 1, "min_p": 0, "frequency_penalty": 0, "presence_penalty": 0.0, "repetition_penalty": 1,
        "logit_bias": {}, "stop": [], "best_of": 1, "n": 1, "min_tokens": 0, "ignore_eos": false, "suffix": "",
        "user": "someone", "store": true, "metadata": {"a": "b"}, "stream_options": {"include_obfuscation": false},
        "echo": false, "stream": false, "response_format": {"type": "text"}, "tools": []
    });
    let mut with_off = sampled.clone();
    with_off.as_object_mut().unwrap().extend(off.as_object().unwrap().clone());
    assert_eq!(text(&api.complete(with_off)), expected);
    let names = off.as_object().unwrap().keys().map(|name| (name.clone(), Value::Null));
    let mut nulls: serde_json::Map<String, Value> = names.collect();
    nulls.extend(sampled.as_object().unwrap().clone());
    nulls.insert("logprobs".to_owned(), Value::Null);
    nulls.insert("model".to_owned(), Value::Null);
    assert_eq!(text(&api.complete(Value::Object(nulls))), expected);

    let ignored = |body: &str| api.header("/v1/completions", &[JSON], body, "x-ignored-fields");
    assert_eq!(ignored(r#"{"max_tokens": 1, "user": "x"}"#), (200, None));
    assert_eq!(ignored(r#"{"max_tokens": 1, "guess": 1, "best": 2}"#), (200, Some("best, guess".to_owned())));
    assert!(api.0.log().contains("fields of a request are ignored"), "{}", api.0.log());
    for (field, value) in [("suffix", json!("x")), ("tools", json!([{}])), ("use_beam_search", json!(true))] {
        let (status, answer) = api.ask("/v1/completions", &json!({"prompt": "x", field: value}));
        assert_eq!((status, &answer["error"]["param"]), (400, &json!(field)), "{answer}");
    }
    let (status, answer) =
        api.ask("/generate", &json!({"prompt": "x", "max_tokens": null, "seed": null, "best_of": 2}));
    assert_eq!(
        (status, &answer["error"]["field"]),
        (422, &json!("best_of")),
        "our own route finds slips of the pen"
    );
}

#[test]
fn penalties_biases_and_ends_reach_the_text() {
    let api = Api::start();
    let plain = api.complete(json!({"logprobs": 0}));
    let tokens = |answer: &Value| -> Vec<String> {
        serde_json::from_value(answer["choices"][0]["logprobs"]["tokens"].clone()).unwrap()
    };
    let tokenizer = Tokenizer::gpt2().unwrap();
    let first = tokenizer.encode(&tokens(&plain)[0])[0];
    // A greedy text that repeats itself must not, if each token counts against itself.
    let penalized =
        api.complete(json!({"logprobs": 0, "frequency_penalty": 2, "presence_penalty": 2, "max_tokens": 12}));
    let mut distinct = tokens(&penalized);
    distinct.sort();
    distinct.dedup();
    assert!(distinct.len() > 6, "{distinct:?}");
    let without = api.complete(json!({"logprobs": 0, "logit_bias": {first.to_string(): -100}}));
    assert!(!tokens(&without).contains(&tokens(&plain)[0]), "{without}");
    let forced = api.complete(json!({"logprobs": 0, "logit_bias": {"464": 100}}));
    assert!(tokens(&forced).iter().all(|token| token == "The"), "{forced}");
    // The log-probabilities are the model's own, whatever is done to logits.
    assert!(forced["choices"][0]["logprobs"]["token_logprobs"][0].as_f64().unwrap() < -1.0);
    let repeated = api.complete(json!({"repetition_penalty": 5, "logprobs": 0}));
    assert_ne!(tokens(&repeated), tokens(&plain));

    let stopped = api.complete(json!({"stop_token_ids": [first], "logprobs": 1}));
    let choice = &stopped["choices"][0];
    assert_eq!((&choice["text"], &choice["finish_reason"]), (&json!(""), &json!("stop")));
    // The token that ends a text has its score, and counts.
    assert_eq!(tokens(&stopped), [tokens(&plain)[0].clone()]);
    assert_eq!(stopped["usage"]["completion_tokens"], 1);
    let end = json!({END_OF_TEXT.to_string(): 100});
    let ended = api.complete(json!({"logit_bias": end, "logprobs": 1}));
    assert_eq!((tokens(&ended), text(&ended)), (vec!["<|endoftext|>".to_owned()], String::new()));
    let later = api.complete(json!({"logit_bias": end, "logprobs": 1, "min_tokens": 3}));
    assert_eq!((tokens(&later).len(), &later["choices"][0]["finish_reason"]), (4, &json!("stop")));
    let never = api.complete(json!({"logit_bias": end, "logprobs": 1, "ignore_eos": true}));
    assert_eq!((tokens(&never), &never["choices"][0]["finish_reason"]), (tokens(&plain), &json!("length")));

    let empty = api.complete(json!({"max_tokens": 0, "logprobs": 1}));
    let expected = json!({"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []});
    assert_eq!(empty["choices"][0]["logprobs"], expected);
    // As many as fit: the context has 64 positions.
    let (prompt, fitting) = (2, api.complete(json!({"max_tokens": -1, "ignore_eos": true})));
    assert_eq!(fitting["usage"]["completion_tokens"], 64 - prompt);
    let long = api.complete(json!({"prompt": vec![464; 70], "max_tokens": -1, "ignore_eos": true}));
    assert_eq!(long["usage"]["completion_tokens"], 16, "after a full context, what the window slides by");
}

/// The best of several are those with the highest mean log-probability, the best first.
#[test]
fn the_best_of_several_is_returned() {
    let api = Api::start();
    let options = json!({"temperature": 2, "seed": 11, "logprobs": 0});
    let with = |name: &str, value: u64, n: u64| {
        let mut options = options.clone();
        options[name] = json!(value);
        options["n"] = json!(n);
        api.complete(options)
    };
    let mean = |choice: &Value| {
        let scores = choice["logprobs"]["token_logprobs"].as_array().unwrap();
        scores.iter().map(|score| score.as_f64().unwrap()).sum::<f64>() / scores.len() as f64
    };
    let all = with("n", 5, 5);
    let mut means: Vec<f64> = all["choices"].as_array().unwrap().iter().map(mean).collect();
    means.sort_by(|a, b| b.total_cmp(a));
    let best = with("best_of", 5, 2);
    let found: Vec<f64> = best["choices"].as_array().unwrap().iter().map(mean).collect();
    assert_eq!(found, means[..2]);
    assert_eq!(best["choices"][1]["index"], 1);
    assert_eq!(best["usage"], all["usage"], "what was generated counts");
    let (status, answer) = api.ask("/v1/completions", &json!({"prompt": "x", "best_of": 2, "stream": true}));
    assert_eq!((status, &answer["error"]["param"]), (400, &json!("best_of")), "{answer}");
}

/// A conversation is a text to continue, as the template in the answer's name says.
#[test]
fn a_conversation_is_continued_by_its_template() {
    let api = Api::start();
    let messages = json!([
        {"role": "system", "content": "A talk."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "How are you?"}
    ]);
    let rendered = "A talk.\n\nUser: Hello\nAssistant: Hi.\nUser: How are you?\nAssistant:";
    let same =
        json!({"prompt": rendered, "seed": 4, "temperature": 1, "max_tokens": 12, "stop": ["\nUser:"]});
    let plain = api.complete(same);
    let body = json!({"messages": messages, "seed": 4, "max_completion_tokens": 12, "logprobs": true, "top_logprobs": 2});
    let (status, answer) = api.ask("/v1/chat/completions", &body);
    assert_eq!((status, &answer["object"]), (200, &json!("chat.completion")), "{answer}");
    assert_eq!(answer["system_fingerprint"], "chat-template-plain");
    let choice = &answer["choices"][0];
    assert_eq!(choice["message"]["content"].as_str().unwrap(), text(&plain).trim_start());
    assert_eq!((&choice["message"]["role"], &answer["usage"]), (&json!("assistant"), &plain["usage"]));
    let scores = choice["logprobs"]["content"].as_array().unwrap();
    assert_eq!(scores.len() as u64, answer["usage"]["completion_tokens"].as_u64().unwrap());
    assert_eq!(scores[0]["top_logprobs"].as_array().unwrap().len(), 2);
    // Without a length, what fits.
    let (_, answer) =
        api.ask("/v1/chat/completions", &json!({"messages": messages, "ignore_eos": true, "stop": null}));
    let usage = &answer["usage"];
    assert!(answer["choices"][0]["finish_reason"] == "stop" || usage["total_tokens"] == 64, "{answer}");

    for (body, param) in [
        (json!({"messages": []}), "messages"),
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0].role"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
            "messages[0].content[0].type",
        ),
        (json!({"messages": [{"role": "user", "content": "x"}], "tools": [{}]}), "tools"),
        (json!({"prompt": "x"}), "prompt"),
    ] {
        let (status, answer) = api.ask("/v1/chat/completions", &body);
        assert_eq!((status, &answer["error"]["param"]), (400, &json!(param)), "{answer}");
    }
    let (status, answer) = api.ask("/v1/completions", &json!({"messages": messages}));
    assert_eq!((status, &answer["error"]["param"]), (400, &json!("messages")));
    assert!(answer["error"]["message"].as_str().unwrap().contains("/v1/chat/completions"));
}

#[test]
fn special_tokens_are_tokens_where_the_caller_asks_for_it() {
    let api = Api::start();
    let tokens = |body: Value| api.ask("/tokenize", &body).1["tokens"].clone();
    let spelled = "The painting<|endoftext|>";
    assert_eq!(tokens(json!({"content": spelled})), json!([464, 12036, END_OF_TEXT]));
    let plain = tokens(json!({"prompt": spelled, "parse_special": false}));
    assert!(plain.as_array().unwrap().len() > 3);
    let usage = |more: Value| api.complete(more)["usage"]["prompt_tokens"].as_u64().unwrap();
    assert_eq!(usage(json!({"prompt": spelled})), plain.as_array().unwrap().len() as u64);
    assert_eq!(usage(json!({"prompt": spelled, "add_special_tokens": true})), 3);

    let (_, pieces) = api.ask("/tokenize", &json!({"content": "a 🎨", "with_pieces": true}));
    assert_eq!(pieces["tokens"][0], json!({"id": 64, "piece": "a"}));
    assert_eq!(pieces["tokens"][1]["piece"], json!([32, 240, 159]));
    let (_, texts) = api.ask("/tokenize", &json!({"prompt": "The painting", "return_token_strs": true}));
    assert_eq!(
        (&texts["token_strs"], &texts["count"], &texts["max_model_len"]),
        (&json!(["The", " painting"]), &json!(2), &json!(64))
    );
    let (_, back) = api.ask("/detokenize", &json!({"tokens": [464, 12036]}));
    assert_eq!(back, json!({"content": "The painting", "prompt": "The painting"}));
    let (status, answer) = api.ask("/detokenize", &json!({"tokens": [50257]}));
    assert_eq!((status, &answer["error"]["param"]), (400, &json!("tokens")));
    assert_eq!(api.get("/tokenizer_info").1["eos_token"], "<|endoftext|>");
}

/// A prompt longer than the context is scored in windows: the same text alone has the same scores up to there.
#[test]
fn long_prompts_are_scored_in_windows() {
    let api = Api::start();
    let scored = |ids: &[u32]| -> Vec<Option<f64>> {
        let answer = api.complete(json!({"prompt": ids, "echo": true, "logprobs": 1, "max_tokens": 0}));
        serde_json::from_value(answer["choices"][0]["logprobs"]["token_logprobs"].clone()).unwrap()
    };
    let ids: Vec<u32> = (0..150).map(|index| 300 + 7 * index).collect();
    let whole = scored(&ids);
    assert_eq!((whole.len(), whole[0]), (150, None));
    for (start, end) in [(0, 65), (64, 129), (128, 150)] {
        assert_eq!(whole[start + 1..end], scored(&ids[start..end])[1..], "window from {start}");
    }
}

#[test]
fn models_and_paths_are_found_however_they_are_written() {
    let api = Api::start();
    let (_, manifest) = only_version(tiny_store()).unwrap();
    let id = format!("tiny/{}", manifest.version);
    for route in ["tiny", &id, &id.replace('/', "%2F"), &id.replace('/', "%2f"), "tiny/"] {
        let (status, model) = api.get(&format!("/v1/models/{route}"));
        assert_eq!((status, &model["id"], &model["max_model_len"]), (200, &json!(id), &json!(64)), "{route}");
    }
    let (status, answer) = api.get("/v1/models/tiny/other");
    assert_eq!(
        (status, &answer["error"]["code"], &answer["error"]["param"]),
        (404, &json!("model_not_found"), &json!("model"))
    );
    for route in ["/v1/models/", "//v1//models", "/v1/models?a=b"] {
        assert_eq!(api.get(route).1["data"][0]["id"], id, "{route}");
    }
    assert_eq!(api.get("/ready"), (200, json!({"status": "ready"})));
}

#[test]
fn answers_are_compressed_and_measured() {
    let api = Api::start();
    let gzip = ("accept-encoding", "gzip");
    let body = r#"{"prompt": "The painting was not what I had seen"}"#;
    let encoding = |headers: &[(&str, &str)], route| api.header(route, headers, body, "content-encoding");
    assert_eq!(encoding(&[JSON, gzip], "/inspect"), (200, Some("gzip".to_owned())));
    assert_eq!(encoding(&[JSON], "/inspect"), (200, None));
    let stream = r#"{"prompt": "The", "stream": true, "max_tokens": 60}"#;
    assert_eq!(api.header("/generate", &[JSON, gzip], stream, "content-encoding"), (200, None));
    let encoded = [JSON, ("content-encoding", "br")];
    assert_eq!(encoding(&encoded, "/inspect").0, 415);

    api.complete(json!({}));
    let mut metrics = ureq::get(format!("{}/metrics", api.0.url)).call().unwrap();
    assert!(metrics.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    let metrics = metrics.body_mut().read_to_string().unwrap();
    for line in
        ["# TYPE troelsllm_tokens_total counter", "troelsllm_first_token_count", "troelsllm_requests_total"]
    {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

/// The documentation is read without a key, asks for one, and says where it is needed.
#[test]
fn documentation_asks_for_the_key() {
    let key = artifact::Sha256Hex::of_bytes(b"the key");
    let arguments = ["--api-key-sha256", key.as_str()];
    let server = Server::start_with(&tiny_store().to_string_lossy(), &arguments, &[]).unwrap();
    let status = |route: &str, headers: &[(&str, &str)]| {
        let mut get = ureq::http::Request::builder().uri(format!("{}{route}", server.url));
        for (name, value) in headers {
            get = get.header(*name, *value);
        }
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        agent.run(get.body(()).unwrap()).unwrap().status().as_u16()
    };
    for (route, expected) in [
        ("/docs", 200),
        ("/docs/", 200),
        ("/health", 200),
        ("/ready", 200),
        ("/model", 401),
        ("/metrics", 401),
    ] {
        assert_eq!(status(route, &[]), expected, "{route}");
    }
    for header in ["Bearer the key", "bearer the key", "BEARER the key"] {
        assert_eq!(status("/model", &[("authorization", header)]), 200, "{header}");
    }
    assert_eq!(status("/model", &[("authorization", "Bearer none"), ("x-api-key", "the key")]), 200);
    assert_eq!(status("/model", &[("authorization", "Bearer none")]), 401);
    let (_, schema) = request("GET", &format!("{}/openapi.json", server.url), "text/plain", "").unwrap();
    assert_eq!(schema["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    assert_eq!(schema["security"], json!([{"bearer": []}, {"header": []}]));
}
