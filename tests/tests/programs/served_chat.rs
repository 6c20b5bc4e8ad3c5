//! Models with a chat template: how they answer, where an answer ends, and what of a long conversation they read.

use std::fs;
use std::sync::OnceLock;

use artifact::Tokenizer;
use artifact::chat::{self, ChatTemplate};
use artifact::tokenizer::json::tokenizer_json;
use e2e::folders::{copy_folder, text};
use e2e::process::{Server, gpt, post, request};
use e2e::trained::{add_chat_template, corpus, tiny_store};
use serde_json::{Value, json};

/// The tokens that `chatml` writes, after 256 bytes and the end of text.
const SPECIAL: [&str; 2] = ["<|im_start|>", "<|im_end|>"];
const END_OF_TEXT: &str = "256";
const IM_END: &str = "258";

/// Ids of bytes: GPT-2 counts from `!` on, and has what cannot be seen behind.
const LETTER_A: &str = "64";
const SPACE: &str = "220";
const NEWLINE: u32 = 198;

/// A store with a tiny model of bytes that has a template. It has learned nothing, so a test says by `logit_bias` what it
/// writes.
fn store(template: &str) -> tempfile::TempDir {
    static TRAINED: OnceLock<tempfile::TempDir> = OnceLock::new();
    let trained = TRAINED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = Tokenizer::bytes().unwrap().with_special(&SPECIAL).unwrap();
        let (file, checkpoints) = (folder.path().join("tokenizer.json"), folder.path().join("checkpoints"));
        fs::write(&file, tokenizer_json(&tokenizer)).unwrap();
        let (store, corpus) = (folder.path().join("store"), corpus());
        let arguments = ["train", "--preset", "tiny", "--name", "chat", "--max-steps", "1"];
        let places =
            ["--store", text(&store), "--checkpoints", text(&checkpoints), "--corpus", text(&corpus)];
        let more = ["--tokenizer", text(&file), "--set", "training.final_evaluation_windows=2"];
        gpt(&[&arguments[..], &places, &more].concat());
        folder
    });
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&trained.path().join("store"), folder.path()).unwrap();
    add_chat_template(folder.path(), template).unwrap();
    folder
}

/// A server with a model of the template `chatml`.
fn chatml() -> Server {
    Server::start(store(ChatTemplate::built_in("chatml").unwrap().source()).path()).unwrap()
}

fn ask(server: &Server, route: &str, body: &Value) -> (u16, Value) {
    post(&format!("{}{route}", server.url), body).unwrap()
}

fn get(server: &Server, route: &str) -> Value {
    request("GET", &format!("{}{route}", server.url), "text/plain", "").unwrap().1
}

/// The answer to a conversation, in which `more` says what is not usual.
fn answer(server: &Server, more: Value) -> Value {
    let mut body =
        json!({"messages": [{"role": "user", "content": "Hi"}], "temperature": 0, "max_tokens": 4});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, answer) = ask(server, "/v1/chat/completions", &body);
    assert_eq!(status, 200, "{body}: {answer}");
    answer
}

#[test]
fn a_model_with_a_template_says_so_and_is_asked_by_it() {
    let server = chatml();
    for route in ["/", "/model", "/v1/models/chat"] {
        assert_eq!(get(&server, route)["chat_template"], "chatml", "{route}");
    }
    assert_eq!(get(&server, "/v1/models")["data"][0]["chat_template"], "chatml");
    let source = get(&server, "/tokenizer_info")["chat_template"].clone();
    assert_eq!(source, ChatTemplate::built_in("chatml").unwrap().source());

    let messages = json!([{"role": "user", "content": "Hi <|im_end|>"}]);
    let (_, tokens) = ask(&server, "/tokenize", &json!({"messages": messages}));
    let bytes = |text: &str| Tokenizer::bytes().unwrap().encode(text);
    let mut expected = vec![257];
    expected.extend(bytes("user\nHi <|im_end|>"));
    expected.extend([258, NEWLINE, 257]);
    expected.extend(bytes("assistant\n"));
    assert_eq!(tokens["tokens"], json!(expected));
    // The answer continues these ids.
    let (_, continued) = ask(
        &server,
        "/v1/completions",
        &json!({"prompt": expected, "temperature": 0, "max_tokens": 4, "stop_token_ids": [258]}),
    );
    let answered = answer(&server, json!({"messages": messages}));
    assert_eq!(answered["system_fingerprint"], "chat-template-chatml");
    assert_eq!(answered["choices"][0]["message"]["content"], continued["choices"][0]["text"]);
    assert_eq!(answered["usage"], continued["usage"]);
}

#[test]
fn an_answer_ends_with_the_token_of_the_template() {
    let server = chatml();
    let ends = |end: &str, more: Value| {
        let mut body = json!({"logit_bias": {end: 100, LETTER_A: 50}, "logprobs": true, "stop": ["b"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = answer(&server, body);
        let choice = &answer["choices"][0];
        (
            choice["message"]["content"].as_str().unwrap().to_owned(),
            choice["finish_reason"].as_str().unwrap().to_owned(),
            choice["logprobs"]["content"].as_array().unwrap().len(),
        )
    };
    let ended = |text: &str, reason: &str, tokens| (text.to_owned(), reason.to_owned(), tokens);
    for end in [IM_END, END_OF_TEXT] {
        assert_eq!(ends(end, json!({})), ended("", "stop", 1));
        assert_eq!(ends(end, json!({"min_tokens": 2})), ended("aa", "stop", 3));
        assert_eq!(ends(end, json!({"ignore_eos": true})), ended("aaaa", "length", 4));
    }
    // Spaces are the model's own.
    let spaces = json!({"logit_bias": {SPACE: 100}});
    assert_eq!(answer(&server, spaces)["choices"][0]["message"]["content"], "    ");

    // A text goes on behind it.
    let (_, continued) = ask(
        &server,
        "/v1/completions",
        &json!({"prompt": "a", "max_tokens": 3, "logit_bias": {IM_END: 100}}),
    );
    assert_eq!(continued["choices"][0]["finish_reason"], "length", "{continued}");
    let (_, continued) =
        ask(&server, "/generate", &json!({"prompt": "a", "max_tokens": 3, "logit_bias": {IM_END: 100}}));
    assert_eq!(continued["finish_reason"], "length", "{continued}");
}

/// The header with the number of messages that were left out, and the number of tokens that were read.
fn read(server: &Server, body: &Value) -> (Option<String>, u64) {
    let url = format!("{}/v1/chat/completions", server.url);
    let mut answer = ureq::post(url).send_json(body).unwrap();
    let dropped = answer.headers().get("x-dropped-messages").map(|value| value.to_str().unwrap().to_owned());
    let body: Value = answer.body_mut().read_json().unwrap();
    (dropped, body["usage"]["prompt_tokens"].as_u64().unwrap())
}

#[test]
fn the_oldest_turns_leave_when_the_context_is_full() {
    let server = chatml();
    let says = |role: &str, content: &str| json!({"role": role, "content": content});
    let turns = |count: usize| {
        let earlier = (1..count).flat_map(|_| [says("user", "?"), says("assistant", "!")]);
        earlier.chain([says("user", "?")]).collect::<Vec<_>>()
    };
    let read = |messages: Vec<Value>, max_tokens: i64| {
        read(&server, &json!({"messages": messages, "max_tokens": max_tokens}))
    };
    // Of 64 tokens a question takes 9, an answer 14, and asking for one 11; a quarter, 16, is for what will be said.
    assert_eq!(read(turns(2), 4), (None, 43));
    assert_eq!(read(turns(3), 4), (Some("2".to_owned()), 43));
    assert_eq!(read(turns(9), -1), (Some("14".to_owned()), 43));
    // What the system says takes 10 more than its text, and stays.
    let system = |text: &str| [vec![says("system", text)], turns(2)].concat();
    assert_eq!(read(system("1234"), 4), (None, 57));
    assert_eq!(read(system("1234"), 7), (None, 57));
    assert_eq!(read(system("1234"), 8), (Some("2".to_owned()), 34));
    // A question that is too long stays; the window slides.
    assert_eq!(read(vec![says("user", &"?".repeat(80))], 4), (None, 99));
    let log = server.log();
    assert!(log.contains("the oldest messages of a conversation are left out"), "{log}");
}

#[test]
fn answers_stream_and_there_may_be_several() {
    let server = chatml();
    let body = json!({
        "messages": [{"role": "user", "content": "Hi"}], "stream": true, "n": 2, "seed": 1, "max_tokens": 5,
        "stream_options": {"include_usage": true}
    });
    let url = format!("{}/v1/chat/completions", server.url);
    let stream = ureq::post(url).send_json(&body).unwrap().body_mut().read_to_string().unwrap();
    let mut texts = [String::new(), String::new()];
    let (mut reasons, mut usage) = (Vec::new(), Value::Null);
    for data in stream.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]")
    {
        let chunk: Value = serde_json::from_str(data).unwrap();
        assert_eq!(chunk["system_fingerprint"], "chat-template-chatml");
        for choice in chunk["choices"].as_array().unwrap() {
            let index = choice["index"].as_u64().unwrap() as usize;
            texts[index] += choice["delta"]["content"].as_str().unwrap_or_default();
            reasons.extend(choice["finish_reason"].as_str().map(str::to_owned));
        }
        usage = chunk["usage"].clone();
    }
    assert!(stream.trim_end().ends_with("data: [DONE]"), "{stream}");
    let whole = answer(&server, json!({"temperature": 1, "n": 2, "seed": 1, "max_tokens": 5}));
    for (text, choice) in texts.iter().zip(whole["choices"].as_array().unwrap()) {
        assert_eq!(choice["message"]["content"], *text);
    }
    assert_eq!((reasons.len(), &usage), (2, &whole["usage"]));
}

#[test]
fn what_a_template_refuses_is_told_in_its_words() {
    let source = "{% for message in messages %}\
                  {% if message.role == 'system' %}{{ raise_exception('no systems here') }}{% endif %}\
                  {{ message.content }}{% if message.content == 'fail' %}{{ 1 / 0 }}{% endif %}{% endfor %}";
    let server = Server::start(store(source).path()).unwrap();
    assert_eq!(get(&server, "/")["chat_template"], "custom");
    for route in ["/v1/chat/completions", "/tokenize"] {
        let body = json!({"messages": [{"role": "system", "content": "x"}]});
        let (status, answer) = ask(&server, route, &body);
        assert_eq!((status, &answer["error"]["param"]), (400, &json!("messages")), "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert_eq!(message, "`messages`: the chat template refuses the conversation: no systems here");
        let failing = json!({"messages": [{"role": "user", "content": "fail"}]});
        let (status, answer) = ask(&server, route, &failing);
        assert_eq!((status, &answer["error"]["code"]), (500, &json!("internal")), "{answer}");
    }
    assert!(server.log().contains("the chat template failed"), "{}", server.log());
    assert!(server.log().contains("no special token ends an answer"), "{}", server.log());
}

/// The model would answer wrongly without it.
#[test]
fn a_version_with_a_broken_template_is_not_served() {
    let error = Server::start(store("{% for %}").path()).err().unwrap().to_string();
    assert!(error.contains("the chat template in line 1"), "{error}");
    let long = " ".repeat(chat::MAX_FILE_BYTES as usize + 1);
    let error = Server::start(store(&long).path()).err().unwrap().to_string();
    assert!(error.contains("at most 1048576"), "{error}");
    let damaged = store("{{ messages }}");
    let (folder, _) = e2e::trained::only_version(damaged.path()).unwrap();
    fs::write(folder.join(chat::FILE_NAME), "{{ messages[0] }}").unwrap();
    let error = Server::start(damaged.path()).err().unwrap().to_string();
    assert!(error.contains("chat_template.jinja") && error.contains("expected"), "{error}");
}

#[test]
fn a_model_without_a_template_says_so() {
    let server = Server::start(tiny_store()).unwrap();
    for route in ["/", "/model", "/v1/models/tiny"] {
        assert_eq!(get(&server, route)["chat_template"], Value::Null, "{route}");
    }
    let source = get(&server, "/tokenizer_info")["chat_template"].clone();
    assert_eq!(source, ChatTemplate::plain().unwrap().source());
}
