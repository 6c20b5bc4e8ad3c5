//! Tokenizer files from elsewhere: `tokenizer.json`, or `vocab.json` with `merges.txt`, read where they are a byte-level
//! BPE that gives the same ids here.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;

use super::bpe::{Bpe, MAX_IDS, Token};
use super::characters::characters;
use super::error::UnsupportedTokenizer;
use super::pattern::Pattern;
use super::pre_tokenizer::{Normalizer, PreTokenizer};

/// The ids of two tokens that are joined.
type MergedIds = (u32, u32);

/// A tokenizer in a file, as far as it decides the ids of a text.
#[derive(Clone, Debug)]
pub struct TokenizerFile {
    /// What it does to texts before.
    pub pre_tokenizer: PreTokenizer,
    /// Ids of the tokens as text.
    pub tokens: HashMap<String, u32>,
    /// Merges, each a pair of tokens as text.
    pub merges: Vec<(String, String)>,
    /// Those of the tokens that are no text.
    special: HashSet<String>,
    /// One that is found in a text before anything else is, and so changes the ids around it.
    plain_addition: Option<String>,
    /// Whether a piece of text that is a token is that token, whatever the merges make of it.
    ignores_merges: bool,
}

/// The file.
#[derive(Deserialize)]
struct Json {
    model: Value,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
}

/// Its model: tokens by name, and merges as texts or as pairs.
#[derive(Deserialize)]
struct Model {
    vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    dropout: Option<f64>,
    #[serde(default)]
    ignore_merges: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Text(String),
    Pair(String, String),
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, UnsupportedTokenizer> {
    Err(UnsupportedTokenizer(reason.into()))
}

fn invalid(error: impl std::fmt::Display) -> UnsupportedTokenizer {
    UnsupportedTokenizer(format!("it is not valid: {error}"))
}

impl TokenizerFile {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// If it is none, or gives ids that a byte-level BPE does not.
    pub fn from_json(json: &[u8]) -> Result<Self, UnsupportedTokenizer> {
        let file: Json = serde_json::from_slice(json).map_err(invalid)?;
        check_kind(&file.model)?;
        let normalizer = normalizer(&file.normalizer)?;
        let pre_tokenizer = PreTokenizer { normalizer, ..pre_tokenizer(&file.pre_tokenizer)? };
        check_post_processor(&file.post_processor)?;
        let model: Model = serde_json::from_value(file.model).map_err(invalid)?;
        let affixes = [model.continuing_subword_prefix, model.end_of_word_suffix];
        if let Some(affix) = affixes.into_iter().flatten().find(|affix| !affix.is_empty()) {
            return refuse(format!("it marks parts of words with `{affix}`"));
        }
        if model.dropout.is_some_and(|dropout| dropout != 0.0) {
            return refuse("it leaves out merges at random (`dropout`)");
        }
        let merges = model.merges.into_iter().map(|merge| match merge {
            Merge::Pair(left, right) => Ok((left, right)),
            Merge::Text(text) => pair(&text),
        });
        let mut tokens = model.vocab;
        let (mut special, mut plain_addition) = (HashSet::new(), None);
        for AddedToken { id, content, special: is_special } in file.added_tokens {
            if !is_special && !is_marker(&content) {
                plain_addition.get_or_insert_with(|| content.clone());
            }
            tokens.insert(content.clone(), id);
            special.insert(content);
        }
        Ok(Self {
            pre_tokenizer,
            tokens,
            merges: merges.collect::<Result<_, _>>()?,
            special,
            plain_addition,
            ignores_merges: model.ignore_merges,
        })
    }

    /// Reads `vocab.json` and `merges.txt`, whose pattern is GPT-2's.
    ///
    /// # Errors
    /// If they are not valid.
    pub fn from_pair(tokens: &[u8], merges: &[u8]) -> Result<Self, UnsupportedTokenizer> {
        let tokens: HashMap<String, u32> = serde_json::from_slice(tokens).map_err(invalid)?;
        let merges = std::str::from_utf8(merges).map_err(invalid)?;
        let lines = merges
            .lines()
            .enumerate()
            .filter(|(number, line)| !(line.is_empty() || *number == 0 && line.starts_with("#version")));
        let merges = lines.map(|(_, line)| pair(line)).collect::<Result<_, _>>()?;
        let pre_tokenizer = Pattern::Gpt2.into();
        let special = HashSet::new();
        Ok(Self { pre_tokenizer, tokens, merges, special, plain_addition: None, ignores_merges: false })
    }

    /// The vocabulary of a file from elsewhere.
    ///
    /// # Errors
    /// If its ids are not those of a byte-level BPE; names the token.
    pub fn imported(&self) -> Result<Bpe, UnsupportedTokenizer> {
        let (tokens, merges) = self.parts()?;
        let bpe = Bpe::imported(self.pre_tokenizer.clone(), tokens, &merges)?;
        if self.ignores_merges
            && let Some(token) = bpe.unused()
        {
            let token = String::from_utf8_lossy(token);
            return refuse(format!("its token `{token}` is made by none of its merges, which it ignores"));
        }
        Ok(bpe)
    }

    /// Tokens by id, and merges by ids.
    fn parts(&self) -> Result<(Vec<Token>, Vec<MergedIds>), UnsupportedTokenizer> {
        if let Some(token) = &self.plain_addition {
            return refuse(format!("its added token `{token}` is not marked as special"));
        }
        let count = self.tokens.values().max().map_or(0, |&id| id as usize + 1);
        if count > MAX_IDS {
            return refuse(format!("it has ids up to {}, expected at most {MAX_IDS} ids", count - 1));
        }
        let bytes: HashMap<char, u8> = characters().into_iter().zip(0..=u8::MAX).collect();
        let mut names: Vec<Option<&str>> = vec![None; count];
        for (text, &id) in &self.tokens {
            if let Some(other) = names[id as usize].replace(text) {
                return refuse(format!("its tokens `{other}` and `{text}` have the same id, {id}"));
            }
        }
        let made: HashSet<String> =
            self.merges.iter().map(|(left, right)| format!("{left}{right}")).collect();
        let mut tokens = Vec::with_capacity(count);
        for (id, name) in names.into_iter().enumerate() {
            let Some(name) = name else { return refuse(format!("none of its tokens has the id {id}")) };
            let text: Option<Vec<u8>> =
                name.chars().map(|character| bytes.get(&character).copied()).collect();
            tokens.push(match text {
                Some(text) if !self.is_special(name, &made) => Token::Bytes(text),
                _ => Token::Special(name.to_owned()),
            });
        }
        let id = |token: &str| match self.tokens.get(token) {
            Some(&id) if !self.special.contains(token) => Ok(id),
            _ => refuse(format!("one of its merges joins `{token}`, which is none of its tokens")),
        };
        let merges = self.merges.iter().map(|(left, right)| Ok((id(left)?, id(right)?)));
        let merges = merges.collect::<Result<_, _>>()?;
        Ok((tokens, merges))
    }

    /// Whether a token is no text: it says so, or nothing makes it and it is in brackets, as special tokens are in
    /// files that do not say so.
    fn is_special(&self, name: &str, made: &HashSet<String>) -> bool {
        self.special.contains(name) || is_bracketed(name) && !made.contains(name)
    }
}

/// Whether an added token is a mark between texts, such as `<think>` or `｜DSML｜`, whatever the file calls it: no text is
/// encoded to it, as to no special token.
fn is_marker(name: &str) -> bool {
    let is_sign = |character: Option<char>| {
        character.is_some_and(|character| !character.is_alphanumeric() && !character.is_whitespace())
    };
    let has_a_name = name.chars().any(char::is_alphanumeric);
    has_a_name && is_sign(name.chars().next()) && is_sign(name.chars().next_back())
}

/// Whether a token is in brackets, as special ones are.
fn is_bracketed(name: &str) -> bool {
    let is_between = |open, close| name.starts_with(open) && name.ends_with(close);
    name.len() > 1 && (is_between('<', '>') || is_between('[', ']'))
}

/// The vocabulary in a file that [`tokenizer_json`](super::json::tokenizer_json) has written.
///
/// # Errors
/// If it is none.
pub fn read_written(json: &[u8]) -> Result<Bpe, UnsupportedTokenizer> {
    let file = TokenizerFile::from_json(json)?;
    let (tokens, merges) = file.parts()?;
    Bpe::written(file.pre_tokenizer, tokens, &merges)
}

fn type_of(value: &Value) -> &str {
    value["type"].as_str().unwrap_or("nothing")
}

fn check_kind(model: &Value) -> Result<(), UnsupportedTokenizer> {
    let kind = type_of(model);
    // Files of early versions name no type.
    if kind != "BPE" && model.get("type").is_some() {
        return refuse(format!("its model is {kind}, expected BPE"));
    }
    if model["byte_fallback"] == Value::Bool(true) {
        return refuse(
            "its model is a BPE of characters with `byte_fallback`, as SentencePiece's, expected one of bytes",
        );
    }
    Ok(())
}

fn normalizer(json: &Value) -> Result<Option<Normalizer>, UnsupportedTokenizer> {
    let steps = match json["normalizers"].as_array() {
        Some(steps) => steps.iter().collect(),
        None if json.is_null() => Vec::new(),
        None => vec![json],
    };
    let [step] = steps[..] else {
        let types: Vec<&str> = steps.iter().map(|step| type_of(step)).collect();
        return if types.is_empty() {
            Ok(None)
        } else {
            refuse(format!("it normalizes texts by {}", types.join(", ")))
        };
    };
    match Normalizer::ALL.into_iter().find(|form| form.to_string() == type_of(step)) {
        Some(form) => Ok(Some(form)),
        None => refuse(format!("it normalizes texts by {}, expected NFC, NFD, NFKC or NFKD", type_of(step))),
    }
}

/// What a file's pre-tokenizer does: splits, then `ByteLevel`, which splits by GPT-2's pattern unless it says otherwise.
fn pre_tokenizer(json: &Value) -> Result<PreTokenizer, UnsupportedTokenizer> {
    let steps = match (type_of(json), json["pretokenizers"].as_array()) {
        ("Sequence", Some(steps)) => steps.iter().collect(),
        _ => vec![json],
    };
    let (last, steps) = steps.split_last().map_or((json, &[][..]), |(last, steps)| (*last, steps));
    if type_of(last) != "ByteLevel" {
        let found = type_of(last);
        return refuse(format!("it splits texts by {found}, expected ByteLevel: it is no BPE of bytes"));
    }
    let prefix_space = last["add_prefix_space"] != Value::Bool(false);
    if prefix_space && !steps.is_empty() {
        return refuse("it puts a space before each piece of a text (`add_prefix_space` after other steps)");
    }
    let mut splits = steps.iter().map(|step| split(step)).collect::<Result<Vec<_>, _>>()?;
    let mut pattern = (last["use_regex"] != Value::Bool(false)).then_some(Pattern::Gpt2);
    if splits.is_empty() && pattern.is_none() {
        return refuse("it does not split texts, expected a Split before ByteLevel, or its `use_regex`");
    }
    if let (None, [only]) = (pattern, &splits[..])
        && let Some(known) = Pattern::of_expression(only)
    {
        (splits, pattern) = (Vec::new(), Some(known));
    }
    Ok(PreTokenizer { normalizer: None, prefix_space, splits, pattern })
}

/// The expression by which a step splits texts: its matches are pieces, and so is what is between them.
fn split(step: &Value) -> Result<String, UnsupportedTokenizer> {
    let (behavior, invert) =
        (step["behavior"].as_str().unwrap_or("Isolated"), step["invert"] == Value::Bool(true));
    match type_of(step) {
        "Digits" if step["individual_digits"] == Value::Bool(true) => Ok(r"\p{N}".to_owned()),
        "Digits" => Ok(r"\p{N}+".to_owned()),
        "Punctuation" if behavior == "Isolated" => Ok(r"[\p{P}$+<=>^`|~]".to_owned()),
        "Split" => {
            let text = step["pattern"]["String"].as_str().map(|text| fancy_regex::escape(text).into_owned());
            let expression = text.or_else(|| step["pattern"]["Regex"].as_str().map(str::to_owned));
            let expression = expression.unwrap_or_default();
            // A known pattern leaves nothing between its matches, so that nothing is removed.
            let keeps_all = behavior == "Removed" && invert && Pattern::of_expression(&expression).is_some();
            if behavior == "Isolated" && !expression.is_empty() || keeps_all {
                return Ok(expression);
            }
            refuse(format!("it splits texts by the pattern `{expression}` ({behavior}), expected Isolated"))
        }
        other => {
            refuse(format!("it splits texts by {other} ({behavior}), expected Split, Digits or Punctuation"))
        }
    }
}

/// Checks that nothing is added to the ids of a text.
fn check_post_processor(processor: &Value) -> Result<(), UnsupportedTokenizer> {
    let adds_none = |step: &Value| match type_of(step) {
        "nothing" | "ByteLevel" => true,
        "TemplateProcessing" => step["single"]
            .as_array()
            .is_some_and(|parts| parts.iter().all(|part| part["Sequence"].is_object())),
        _ => false,
    };
    let steps = match processor["processors"].as_array() {
        Some(steps) => steps.iter().collect(),
        None => vec![processor],
    };
    match steps.into_iter().find(|step| !adds_none(step)) {
        Some(step) => refuse(format!("it adds special tokens to each text by {}", type_of(step))),
        None => Ok(()),
    }
}

/// The two tokens of a merge.
fn pair(text: &str) -> Result<(String, String), UnsupportedTokenizer> {
    match text.split_once(' ') {
        Some((left, right)) => Ok((left.to_owned(), right.to_owned())),
        None => refuse(format!("its merge `{text}` is not a pair")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::super::json::{byte_level, tokenizer_json};
    use super::super::tokenizer::Tokenizer;
    use super::*;

    /// The file of a small tokenizer with this pattern, changed.
    fn changed(pattern: Pattern, change: impl FnOnce(&mut Value)) -> Result<Bpe, UnsupportedTokenizer> {
        let made = ["th", "the", "an"].map(|text| text.as_bytes().to_vec()).to_vec();
        let tokenizer = Tokenizer::new(Bpe::trained(pattern, made)).unwrap();
        let mut json: Value = serde_json::from_slice(&tokenizer_json(&tokenizer)).unwrap();
        change(&mut json);
        TokenizerFile::from_json(json.to_string().as_bytes())?.imported()
    }

    #[test]
    fn what_is_written_is_read_again() {
        for pattern in Pattern::ALL {
            let tokenizer =
                Tokenizer::new(Bpe::trained(pattern, vec![b"th".to_vec(), b"the".to_vec()])).unwrap();
            let json = tokenizer_json(&tokenizer);
            let [imported, written] =
                [TokenizerFile::from_json(&json).unwrap().imported().unwrap(), read_written(&json).unwrap()];
            let known = imported.pre_tokenizer().known();
            assert_eq!((known, imported.sha256()), (Some(pattern), tokenizer.reference().sha256));
            assert_eq!(written, imported);
        }
    }

    #[test]
    fn what_changes_no_id_is_accepted() {
        let expected = changed(Pattern::Cl100k, |_| ()).unwrap();
        for change in [
            &(|json: &mut Value| json["model"]["ignore_merges"] = true.into()) as &dyn Fn(&mut Value),
            &|json| json["normalizer"] = json!({"type": "Sequence", "normalizers": []}),
            &|json| json["post_processor"] = Value::Null,
            &|json| json["added_tokens"][0]["special"] = false.into(), // spelled as one
            &|json| {
                let single = json!([{"Sequence": {"id": "A", "type_id": 0}}]);
                json["post_processor"] = json!({"type": "TemplateProcessing", "single": single});
            },
            &|json| {
                let split = &mut json["pre_tokenizer"]["pretokenizers"][0];
                (split["behavior"], split["invert"]) = ("Removed".into(), true.into());
            },
            &|json| json["model"]["merges"] = json!([["t", "h"], ["th", "e"], ["a", "n"]]),
        ] {
            assert_eq!(changed(Pattern::Cl100k, change).unwrap(), expected);
        }
    }

    #[test]
    fn what_changes_ids_is_refused_by_name() {
        for (change, expected) in [
            (
                &(|json: &mut Value| json["normalizer"] = json!({"type": "Lowercase"}))
                    as &dyn Fn(&mut Value),
                "Lowercase",
            ),
            (
                &|json| {
                    let both = json!([{"type": "NFC"}, {"type": "Strip"}]);
                    json["normalizer"] = json!({"type": "Sequence", "normalizers": both});
                },
                "NFC, Strip",
            ),
            (&|json| json["model"]["type"] = "Unigram".into(), "its model is Unigram, expected BPE"),
            (&|json| json["model"]["byte_fallback"] = true.into(), "SentencePiece"),
            (&|json| json["model"]["dropout"] = 0.1.into(), "`dropout`"),
            (&|json| json["model"]["end_of_word_suffix"] = "</w>".into(), "`</w>`"),
            (&|json| json["pre_tokenizer"] = json!({"type": "Metaspace"}), "Metaspace"),
            (
                &|json| json["pre_tokenizer"]["pretokenizers"][1] = byte_level(true, true, true),
                "`add_prefix_space`",
            ),
            (&|json| json["pre_tokenizer"] = byte_level(false, true, false), "does not split texts"),
            (
                &|json| json["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "MergedWithNext".into(),
                "MergedWithNext",
            ),
            (&|json| json["pre_tokenizer"]["pretokenizers"][0]["type"] = "Whitespace".into(), "Whitespace"),
            (&|json| json["post_processor"] = json!({"type": "RobertaProcessing"}), "RobertaProcessing"),
            (
                &|json| json["added_tokens"] = json!([{"id": 300, "content": "Ada", "special": false}]),
                "`Ada` is not marked",
            ),
            (&|json| json["model"]["vocab"]["the"] = 1000.into(), "none of its tokens has the id 257"),
            (&|json| json["model"]["vocab"]["the"] = 256.into(), "have the same id, 256"),
            (&|json| json["model"]["merges"] = json!(["t x"]), "makes `tx`"),
            (&|json| json["model"]["merges"] = json!(["t"]), "its merge `t` is not a pair"),
            (
                &|json| {
                    (json["model"]["ignore_merges"], json["model"]["merges"]) = (true.into(), json!(["t h"]))
                },
                "its token `the` is made by none",
            ),
        ] {
            let error = changed(Pattern::Cl100k, change).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(TokenizerFile::from_json(b"{}").unwrap_err().to_string().contains("it is not valid"));
        assert!(TokenizerFile::from_pair(b"{}", b"\xff").is_err());
    }

    /// Special tokens of `vocab.json` are told by their brackets, and may be anywhere.
    #[test]
    fn a_pair_of_files_has_gpt_2s_pattern() {
        let mut tokens: Map<String, Value> = Map::new();
        for token in ["<s>", "<pad>"].into_iter().map(str::to_owned).chain(characters().map(String::from)) {
            tokens.insert(token, Value::Null);
        }
        tokens.insert("<>".to_owned(), Value::Null);
        let tokens: Map<String, Value> =
            tokens.into_iter().zip(0_u32..).map(|((token, _), id)| (token, id.into())).collect();
        let tokens = Value::Object(tokens);
        let merges = "#version: 0.2\n< >\n";
        let file = TokenizerFile::from_pair(tokens.to_string().as_bytes(), merges.as_bytes()).unwrap();
        let tokenizer = Tokenizer::new(file.imported().unwrap()).unwrap();
        let id = |token: &str| tokens[token].as_u64().unwrap() as u32;
        assert_eq!(tokenizer.encode("<>x"), [id("<>"), id("x")]);
        assert_eq!(tokenizer.end_of_text(), Some(id("<s>")));
        assert_eq!(tokenizer.special_tokens().len(), 2);
    }
}
