//! Loading of conversations: files, their token ids by a chat template, and the two splits.

use std::path::Path;

use artifact::chat::{ChatTemplate, Example, Message, Role};
use artifact::{Sha256Hex, Tokenizer};
use rayon::prelude::*;

use super::examples::Examples;
use super::read::{Conversations, conversations};
use crate::corpus::error::CorpusError;
use crate::corpus::format::of_json;
use crate::corpus::loader::Loader;
use crate::corpus::numbers::counted;
use crate::corpus::outline::{Contents, Repeated};
use crate::corpus::settings::CorpusSettings;
use crate::corpus::source::{Source, local_files};
use crate::corpus::text::TextFile;
use crate::corpus::tokens::ids::{SHARD_TOKENS, TokensWriter, Written};
use crate::corpus::tokens::{Encoded, IdBytes, Index, Lengths, Placed, Shelf, Split, TokenBytes, Tokens};

/// Raise this when the same conversations are to give other ids.
const RULES: u32 = 1;
/// Number of example prompts, and the longest of them.
const PROMPTS: usize = 3;
const MAX_PROMPT_BYTES: usize = 300;

/// Conversations that were read.
#[derive(Debug)]
pub(in crate::corpus) struct Loaded {
    /// Digest of all that their ids depend on.
    pub sha256: Sha256Hex,
    /// Their files.
    pub files: Vec<TextFile>,
    /// Their ids as texts one after the other: what quantization is calibrated with and drafts are made from.
    pub encoded: Encoded,
    /// Some of what is asked.
    pub example_prompts: Vec<String>,
    /// To train on, and to validate with.
    pub splits: [Examples; 2],
}

/// Reads the conversations of all sources, in order. Of those that are not for validation, the last ones are, as the
/// loader's share says.
///
/// # Errors
/// If one cannot be read, or the template cannot write it.
pub(in crate::corpus) fn load_conversations(
    loader: &Loader<'_>,
    settings: &CorpusSettings,
    template: &ChatTemplate,
    tokenizer: &Tokenizer,
) -> Result<Loaded, CorpusError> {
    let mut files = Vec::new();
    for (sources, is_validation) in [(&settings.sources, false), (&settings.validation, true)] {
        for source in sources {
            files.extend(open(loader, source, is_validation)?);
        }
    }
    if !files.iter().any(|file| !file.is_validation()) {
        return Err(CorpusError::NoSources);
    }
    let mut prompts = Vec::new();
    let mut splits = [Vec::new(), Vec::new()];
    let mut contents = Vec::new();
    let mut file_tokens = Vec::new();
    for file in &files {
        let Conversations { list: conversations, unanswered } = conversations(file)?;
        if let Some((count, place)) = unanswered {
            let path = file.path().display();
            let are = counted(count as u64, "conversation");
            (loader.notify)(&format!(
                "corpus {path}: {are} without an answer left out, the first in {place}"
            ));
        }
        let examples = examples(file, &conversations, template, tokenizer)?;
        contents.push(Contents { documents: examples.len() as u64, ..Contents::default() });
        file_tokens.push(examples.iter().map(|example| example.ids.len() as u64).sum());
        prompts.extend(conversations.iter().filter_map(|messages| asked(messages)));
        splits[usize::from(file.is_validation())].extend(examples);
    }
    let [mut training, mut validation] = splits;
    if settings.validation.is_empty() {
        let border = (training.len() as f64 * loader.train_fraction).round() as usize;
        validation = training.split_off(border);
    }
    if (training.is_empty() && loader.train_fraction > 0.0) || validation.is_empty() {
        return Err(CorpusError::FewConversations { found: training.len() + validation.len() });
    }
    (loader.notify)(&format!(
        "corpus: {} in {}: {} to train on, {} to validate with",
        counted((training.len() + validation.len()) as u64, "conversation"),
        counted(files.len() as u64, "file"),
        training.len(),
        validation.len()
    ));
    let sha256 = digest(loader, &files, template, tokenizer);
    let placed =
        Placed { training: training.len() as u64, validation: validation.len() as u64, ..Placed::default() };
    let splits = [training, validation];
    let (tokens, written) = write(&splits, &sha256, tokenizer)?;
    let [of_training, of_validation] = written;
    let lengths = Lengths { file_tokens, placed, training: of_training, validation: of_validation };
    let index = Index { contents, repeated: Repeated::default(), lengths };
    let [training, validation] = tokens;
    let token_bytes = TokenBytes::of(tokenizer);
    Ok(Loaded {
        sha256,
        files,
        encoded: Encoded { training, validation, index },
        example_prompts: spread(prompts),
        splits: splits.map(|examples| Examples::new(examples, token_bytes.clone())),
    })
}

/// The files of a source. One that is named is JSON, whatever it is called.
fn open(loader: &Loader<'_>, source: &Source, is_validation: bool) -> Result<Vec<TextFile>, CorpusError> {
    if let Source::Local(path) = source
        && Path::new(path).is_file()
    {
        let path = Path::new(path);
        return Ok(vec![TextFile::open(path, of_json(path)?, is_validation)?]);
    }
    let files = local_files(source, loader)?.into_iter();
    files.map(|file| TextFile::open(&file.path, file.format, is_validation)).collect()
}

/// The ids of each conversation of a file.
fn examples(
    file: &TextFile,
    conversations: &[Vec<Message>],
    template: &ChatTemplate,
    tokenizer: &Tokenizer,
) -> Result<Vec<Example>, CorpusError> {
    let example = |(index, messages): (usize, &Vec<Message>)| {
        let refused = |reason: String| CorpusError::Record {
            path: file.path().to_owned(),
            place: format!("conversation {}", index + 1),
            reason,
        };
        let example = template.example(tokenizer, messages).map_err(|error| refused(error.to_string()))?;
        if example.targets().next().is_none() {
            return Err(refused("the chat template writes nothing of its answers".to_owned()));
        }
        Ok(example)
    };
    conversations.par_iter().enumerate().map(example).collect()
}

fn digest(
    loader: &Loader<'_>,
    files: &[TextFile],
    template: &ChatTemplate,
    tokenizer: &Tokenizer,
) -> Sha256Hex {
    let mut recipe = format!(
        "conversations, rules {RULES}\ntokenizer {}\ntrain {}\ntemplate {:?}\n",
        tokenizer.reference().sha256,
        loader.train_fraction,
        template.source()
    );
    for file in files {
        let split = if file.is_validation() { "validation " } else { "" };
        recipe.push_str(&format!("{split}{}\n", file.sha256()));
    }
    Sha256Hex::of_bytes(recipe.as_bytes())
}

/// The ids of both splits on disk, in a folder that goes when they are no longer read.
fn write(
    splits: &[Vec<Example>; 2],
    sha256: &Sha256Hex,
    tokenizer: &Tokenizer,
) -> Result<([Tokens; 2], [Written; 2]), CorpusError> {
    let folder = tempfile::tempdir().map_err(CorpusError::io(&std::env::temp_dir()))?;
    let shelf = Shelf {
        folder: folder.path().to_owned(),
        tokenizer: tokenizer.reference().sha256,
        corpus: sha256.clone(),
        id_bytes: IdBytes::of_vocabulary(tokenizer.vocab_size()),
    };
    let token_bytes = TokenBytes::of(tokenizer);
    let [training, validation] = [Split::Training, Split::Validation].map(|split| {
        let mut writer = TokensWriter::new(&shelf, split, SHARD_TOKENS, None);
        let examples = &splits[usize::from(split == Split::Validation)];
        let pushed = examples.iter().try_for_each(|example| writer.push(&example.ids));
        let written = pushed.and_then(|()| writer.finish()).map_err(CorpusError::cache(&shelf.folder))?;
        // Open files stay readable when their folder is gone.
        let tokens = Tokens::open(&shelf, split, written, token_bytes.clone());
        let damaged = |damage: crate::corpus::tokens::Damage| CorpusError::Damaged {
            path: shelf.folder.clone(),
            damage: damage.to_string(),
        };
        Ok::<_, CorpusError>((tokens.map_err(damaged)?, written))
    });
    let ((training, of_training), (validation, of_validation)) = (training?, validation?);
    Ok(([training, validation], [of_training, of_validation]))
}

/// What a conversation begins by asking, if it is short.
fn asked(messages: &[Message]) -> Option<String> {
    let first = messages.iter().find(|message| message.role == Role::User)?.content.trim();
    (!first.is_empty() && first.len() <= MAX_PROMPT_BYTES).then(|| first.to_owned())
}

/// A few, from all over.
fn spread(mut prompts: Vec<String>) -> Vec<String> {
    prompts.dedup();
    let step = prompts.len().div_ceil(PROMPTS).max(1);
    prompts.into_iter().step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn load(lines: &str, validation: Option<&str>, template: &str) -> (Result<Loaded, CorpusError>, String) {
        let folder = tempfile::tempdir().unwrap();
        let source = |name: &str, contents: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, contents).unwrap();
            vec![Source::Local(path.to_str().unwrap().to_owned())]
        };
        let settings = CorpusSettings {
            sources: source("a.jsonl", lines),
            validation: validation.map(|lines| source("b.json", lines)).unwrap_or_default(),
            ..CorpusSettings::default()
        };
        let said = RefCell::new(String::new());
        let loader = Loader {
            train_fraction: 0.75,
            cache: folder.path(),
            fetch_s3: &|_, _| Ok(Vec::new()),
            notify: &|line| said.borrow_mut().push_str(line),
        };
        let template = ChatTemplate::built_in(template).unwrap();
        let loaded = load_conversations(&loader, &settings, &template, &Tokenizer::bytes().unwrap());
        (loaded, said.into_inner())
    }

    fn lines(count: usize) -> String {
        (0..count).map(|n| format!("{{\"question\": \"Q{n}?\", \"answer\": \"A{n}\"}}\n")).collect()
    }

    #[test]
    fn the_last_conversations_validate() {
        let (loaded, said) = load(&lines(8), None, "none");
        let Loaded { encoded, splits, example_prompts, files, .. } = loaded.unwrap();
        assert_eq!(said, "corpus: 8 conversations in 1 file: 6 to train on, 2 to validate with");
        assert_eq!(splits.each_ref().map(Examples::count), [6, 2]);
        // Each is `Qn?An` and an end.
        assert_eq!((encoded.training.count(), encoded.validation.count()), (36, 12));
        assert_eq!(encoded.index.lengths.file_tokens, [48]);
        assert_eq!((example_prompts, files.len()), (["Q0?", "Q3?", "Q6?"].map(str::to_owned).to_vec(), 1));
        let batch = splits[1].batch(&[0], &crate::device::cpu());
        let targets: Vec<u32> = batch.targets.into_data().iter().collect();
        let bytes = Tokenizer::bytes().unwrap();
        assert_eq!(bytes.decode(&targets).unwrap(), "A6<|endoftext|>");
    }

    #[test]
    fn conversations_to_validate_with_are_not_trained_on() {
        let other = r#"[{"prompt": "x", "completion": "y"}]"#;
        let loaded = load(&lines(3), Some(other), "none").0.unwrap();
        assert_eq!(loaded.splits.each_ref().map(Examples::count), [3, 1]);
        assert_ne!(loaded.sha256, load(&lines(3), Some(other), "instruction").0.unwrap().sha256);
    }

    #[test]
    fn what_has_no_answer_is_said() {
        let unanswered = r#"{"question": "x", "answer": ""}"#;
        let (loaded, said) = load(&format!("{}{unanswered}", lines(4)), None, "none");
        assert!(
            said.contains("a.jsonl: 1 conversation without an answer left out, the first in line 5"),
            "{said}"
        );
        assert_eq!(loaded.unwrap().splits.each_ref().map(Examples::count), [3, 1]);
    }

    #[test]
    fn too_few_are_an_error() {
        let error = load(&lines(1), None, "none").0.unwrap_err().to_string();
        assert!(error.contains("too few conversations: 1,"), "{error}");
    }
}
