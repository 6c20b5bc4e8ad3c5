//! Tests of tokenizers against Hugging Face's library: equal ids on any text, for every pattern.

use std::path::Path;
use std::str::FromStr;
use std::sync::LazyLock;

use artifact::Tokenizer;
use artifact::tokenizer::file::TokenizerFile;
use artifact::tokenizer::json::tokenizer_json;
use artifact::tokenizer::{Bpe, Pattern, UnsupportedTokenizer};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::corpus::{CorpusSettings, Loader, Source};

/// A tokenizer here, and the same in Hugging Face's library.
struct Pair {
    name: String,
    ours: Tokenizer,
    theirs: tokenizers::Tokenizer,
}

impl Pair {
    fn of(name: String, ours: Tokenizer) -> Self {
        let json = String::from_utf8(tokenizer_json(&ours)).unwrap();
        let theirs = tokenizers::Tokenizer::from_str(&json).unwrap();
        Self { name, ours, theirs }
    }

    fn assert_equal(&self, text: &str) {
        let ids = self.ours.encode(text);
        let expected = self.theirs.encode(text, false).unwrap();
        assert_eq!(ids, expected.get_ids(), "{}: {text:?}", self.name);
        let before = self.ours.pre_tokenizer();
        if before.normalizer.is_none() && !before.prefix_space {
            assert_eq!(self.ours.decode(&ids).unwrap(), text, "{}", self.name);
        }
    }
}

/// The project's story, in some of its languages: code, Chinese, numbers, repetitions.
fn corpus() -> String {
    let story = include_str!("../../../corpus/the-north-light.txt");
    let code = include_str!("training.rs");
    let more = "他从街上走过来，没有人看见他。她坐在窗前，等了一个下午。 Größe, naïve ÉCOLE 12345 3.14 2026-11-24\r\n";
    format!("{story}\n{code}\n{}{}", more.repeat(20), "aaaaabababab aab abba baab ".repeat(40))
}

fn train(threads: usize, pattern: Pattern, vocab_size: Option<usize>, text: &str) -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    std::fs::write(&path, text).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let (cache, fetch_s3) = (folder.path(), &|_: &str, _: &Path| Ok(Vec::new()));
        let loader = Loader { train_fraction: 1.0, cache, fetch_s3, notify: &|_| () };
        let sources = vec![Source::Local(path.to_str().unwrap().to_owned())];
        let settings = CorpusSettings { sources, ..CorpusSettings::default() };
        train_tokenizer(&loader, &settings, pattern, vocab_size).unwrap()
    })
}

/// A vocabulary with `<s>` and others first, bytes and merges in another order than ids: as other libraries make them.
fn foreign() -> (Value, Tokenizer) {
    let trained = train(1, Pattern::Gpt2, Some(700), &corpus());
    let mut json: Value = serde_json::from_slice(&tokenizer_json(&trained)).unwrap();
    let vocabulary = json["model"]["vocab"].as_object_mut().unwrap();
    let specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"];
    vocabulary.remove("<|endoftext|>");
    for (_, id) in vocabulary.iter_mut() {
        // 10 and 699 have no common factor, so this permutes the ids.
        *id = (id.as_u64().unwrap() * 10 % 699 + specials.len() as u64).into();
    }
    let added = (0..).zip(specials).map(|(id, name): (u32, _)| {
        json!({"id": id, "content": name, "special": true, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false})
    });
    let added: Vec<Value> = added.collect();
    for (id, name) in (0..).zip(specials) {
        vocabulary.insert(name.to_owned(), id.into());
    }
    json["added_tokens"] = added.into();
    let bpe = TokenizerFile::from_json(json.to_string().as_bytes()).unwrap().imported().unwrap();
    (json, Tokenizer::new(bpe).unwrap())
}

static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    let mut pairs = vec![
        Pair::of("gpt2".to_owned(), Tokenizer::gpt2().unwrap()),
        Pair::of("bytes".to_owned(), Tokenizer::bytes().unwrap()),
    ];
    for pattern in Pattern::ALL {
        for vocab_size in [400, 2000] {
            let name = format!("{pattern}, {vocab_size} ids");
            pairs.push(Pair::of(name, train(2, pattern, Some(vocab_size), &corpus())));
        }
    }
    // As it came, and as it is written again.
    let (json, ours) = foreign();
    let theirs = tokenizers::Tokenizer::from_str(&json.to_string()).unwrap();
    pairs.push(Pair::of("foreign, written".to_owned(), Tokenizer::new(foreign_bpe(&json).unwrap()).unwrap()));
    pairs.push(Pair { name: "foreign".to_owned(), ours, theirs });
    for (name, normalizer, pre_tokenizer) in pre_tokenizers() {
        let mut json = json.clone();
        (json["normalizer"], json["pre_tokenizer"]) = (normalizer, pre_tokenizer);
        let ours = || Tokenizer::new(foreign_bpe(&json).unwrap()).unwrap();
        let theirs = tokenizers::Tokenizer::from_str(&json.to_string()).unwrap();
        pairs.push(Pair::of(format!("{name}, written"), ours()));
        pairs.push(Pair { name: name.to_owned(), ours: ours(), theirs });
    }
    pairs
});

/// What tokenizers of known models do before, by the kind of model: normalizers and pre-tokenizers.
fn pre_tokenizers() -> Vec<(&'static str, Value, Value)> {
    let byte_level = |space: bool, regex: bool| json!({"type": "ByteLevel", "add_prefix_space": space, "trim_offsets": true, "use_regex": regex});
    let split = |regex: &str| json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false});
    let sequence = |steps: Vec<Value>| json!({"type": "Sequence", "pretokenizers": steps});
    let digits = |individual: bool| json!({"type": "Digits", "individual_digits": individual});
    let text =
        json!({"type": "Split", "pattern": {"String": "a.c"}, "behavior": "Isolated", "invert": false});
    vec![
        ("RoBERTa", Value::Null, byte_level(true, true)),
        ("GPT-NeoX", json!({"type": "NFC"}), byte_level(false, true)),
        (
            "decomposed",
            json!({"type": "Sequence", "normalizers": [{"type": "NFKD"}]}),
            byte_level(true, true),
        ),
        ("StarCoder", Value::Null, sequence(vec![digits(true), byte_level(false, true)])),
        (
            "Falcon",
            Value::Null,
            sequence(vec![
                json!({"type": "Punctuation", "behavior": "Isolated"}),
                split("[0-9][0-9][0-9]"),
                digits(false),
                text,
                byte_level(false, true),
            ]),
        ),
        (
            "DeepSeek",
            Value::Null,
            sequence(vec![
                split("[\r\n]"),
                split(r"\s?[A-Za-zµÀ-ÖØ-öø-ƺ]+"),
                split(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"),
                split(r"\s+$"),
                split("[一-龥ࠀ-一가-퟿]+"),
                digits(true),
                byte_level(false, false),
            ]),
        ),
        (
            "BLOOM",
            Value::Null,
            sequence(vec![split(r" ?[^(\s|[.,!?…。，、।۔،])]+"), byte_level(false, false)]),
        ),
    ]
}

fn foreign_bpe(json: &Value) -> Result<Bpe, UnsupportedTokenizer> {
    TokenizerFile::from_json(json.to_string().as_bytes())?.imported()
}

#[test]
fn a_foreign_vocabulary_keeps_its_ids() {
    let (json, tokenizer) = foreign();
    assert_eq!((tokenizer.vocab_size(), tokenizer.end_of_text()), (704, Some(2)));
    for name in ["a", "Ġthe", "<pad>"] {
        let id = json["model"]["vocab"][name].as_u64().unwrap() as u32;
        let text = tokenizer.decode(&[id]).unwrap();
        assert_eq!(text.replace(' ', "Ġ"), name);
        assert_eq!(tokenizer.token_bytes(id) == 0, name == "<pad>");
    }
    // Without one of its merges, a token is in no text, and still has its bytes.
    let mut without = json.clone();
    let merges = without["model"]["merges"].as_array_mut().unwrap();
    let last = merges.pop().unwrap().as_str().unwrap().replace(' ', "");
    let other = Tokenizer::new(foreign_bpe(&without).unwrap()).unwrap();
    let id = json["model"]["vocab"][&last].as_u64().unwrap() as u32;
    let text = tokenizer.decode(&[id]).unwrap();
    assert_eq!(other.decode(&[id]).unwrap(), text);
    assert!(!other.encode(&text).contains(&id));
    assert_ne!(other.reference(), tokenizer.reference());
}

#[test]
fn the_same_corpus_gives_the_same_tokenizer_on_any_number_of_threads() {
    let text = corpus();
    let json = |threads| tokenizer_json(&train(threads, Pattern::Gpt2, Some(1500), &text));
    let one = json(1);
    assert!(json(1) == one && json(2) == one && json(5) == one);
}

#[test]
fn a_trained_vocabulary_has_all_bytes_and_ends_with_the_end_of_a_text() {
    let tokenizer = train(1, Pattern::Gpt2, Some(300), &corpus());
    assert_eq!((tokenizer.vocab_size(), tokenizer.end_of_text()), (300, Some(299)));
    let bytes: std::collections::HashSet<_> =
        (0..256).map(|id| tokenizer.decode_bytes(&[id]).unwrap()).collect();
    assert_eq!(bytes.len(), 256);
    // The most frequent pair first.
    assert_eq!(train(1, Pattern::Gpt2, Some(258), "abc abd xab").decode(&[256]).unwrap(), "ab");
    // No more than the texts have, and nothing of what occurs once.
    assert_eq!(train(1, Pattern::Gpt2, Some(5000), "ab ab cd").vocab_size(), 258);
    // Equally frequent pairs: the bytes that come first.
    assert_eq!(train(1, Pattern::Gpt2, Some(258), "xy ab xy ab").decode(&[256]).unwrap(), "ab");
}

#[test]
fn the_size_of_a_vocabulary_follows_the_text() {
    for (bytes, expected) in
        [(0, 512), (20_000, 512), (262_143, 512), (262_144, 1024), (1_390_000, 4096), (100_000_000, 32_768)]
    {
        assert_eq!(default_vocab_size(bytes), expected, "{bytes}");
    }
    assert_eq!(default_vocab_size(u64::MAX), 32_768);
    assert_eq!(train(1, Pattern::Gpt2, None, &corpus()).vocab_size(), 512);
}

#[test]
fn ids_equal_those_of_hugging_faces_library_on_texts_of_all_kinds() {
    for pair in &*PAIRS {
        for text in [
            &*corpus(),
            "",
            " ",
            "\n\n\n",
            "it's IT'S we'LL'd ''s",
            "1234567 12 3½ ⅨⒶ",
            "a  b   c \t\r\n d\u{a0}\u{3000}e \u{85}",
            "🎨👩‍👩‍👧‍👦 é e\u{301} ﬀ ǅ ʼn ſ'ſ \u{0}\u{7f}\u{200b}",
            "HTTPServer camelCase snake_case //path/to\n!!\n\n\n",
        ] {
            pair.assert_equal(text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn ids_equal_those_of_hugging_faces_library_on_any_text(text in any::<String>()) {
        for pair in &*PAIRS {
            pair.assert_equal(&text);
        }
    }

    #[test]
    fn ids_equal_those_of_hugging_faces_library_on_words_and_white_space(
        text in "([ \n\t\r\u{b}\u{a0}\u{85}\u{3000}\u{2028}\u{200b}\u{0}']|[a-cA-Cé字。กีำ่ⅨⒶ]{1,6}|(the|and|ing|tion){1,2}|'(s|ll|VE|t)|[0-9½]{1,5}|[.,!/(-]){0,30}"
    ) {
        for pair in &*PAIRS {
            pair.assert_equal(&text);
        }
    }
}
