//! Command-line arguments in the order in which they are meant: a model after the texts of `--corpus`.
//!
//! `--corpus` takes all that follow it, since a shell makes many of `texts/*.txt`. A model among them is none of the
//! texts: `gpt evaluate --corpus a.txt b.txt channel:live`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The commands that take texts, and a model by its place.
const COMMANDS: [&str; 3] = ["evaluate", "import", "publish"];
/// The names of files of weights end so.
const WEIGHTS: [&str; 4] = ["pth", "pt", "bin", "safetensors"];
/// A folder with one of these files is a model.
const MODEL_FILES: [&str; 2] = ["manifest.json", "config.json"];

/// The arguments, with a model that is the last of the values of `--corpus` moved before it.
pub fn with_models_first(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let is_command = |argument: &OsString| COMMANDS.iter().any(|command| argument == command);
    let is_option = |argument: &OsString| argument.as_encoded_bytes().starts_with(b"-");
    let Some(corpus) = arguments.iter().position(|argument| argument == "--corpus") else { return arguments };
    if !arguments.get(1).is_some_and(is_command) {
        return arguments;
    }
    let texts = arguments[corpus + 1..].iter().take_while(|argument| !is_option(argument)).count();
    let last = corpus + texts;
    if texts >= 2 && names_a_model(&arguments[last]) {
        let model = arguments.remove(last);
        arguments.insert(corpus, model);
    }
    arguments
}

/// Whether this is a model beyond doubt.
fn names_a_model(argument: &OsStr) -> bool {
    let path = Path::new(argument);
    let is_address =
        argument.to_str().is_some_and(|text| text.starts_with("channel:") || text.starts_with("version:"));
    let is_file =
        path.extension().is_some_and(|extension| WEIGHTS.iter().any(|weights| extension == *weights));
    is_address || is_file || MODEL_FILES.iter().any(|file| path.join(file).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(line: &str) -> String {
        let arguments = line.split(' ').map(OsString::from).collect();
        let ordered: Vec<_> =
            with_models_first(arguments).into_iter().map(|a| a.into_string().unwrap()).collect();
        ordered.join(" ")
    }

    #[test]
    fn a_model_after_the_texts_is_the_model() {
        for (given, expected) in [
            ("gpt evaluate --corpus a b channel:live", "gpt evaluate channel:live --corpus a b"),
            ("gpt evaluate --corpus a version:x/1 --json", "gpt evaluate version:x/1 --corpus a --json"),
            ("gpt import --name n --corpus a b x.pth", "gpt import --name n x.pth --corpus a b"),
        ] {
            assert_eq!(ordered(given), expected);
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("manifest.json"), "{}").unwrap();
        let folder = folder.path().to_str().unwrap();
        assert_eq!(
            ordered(&format!("gpt publish --corpus a {folder}")),
            format!("gpt publish {folder} --corpus a")
        );
    }

    #[test]
    fn texts_stay_texts() {
        for line in [
            "gpt evaluate --corpus a.txt b.txt",
            "gpt evaluate --corpus channel:live",
            "gpt evaluate channel:live --corpus a b",
            "gpt train --corpus a version:x",
            "gpt evaluate --corpus a --store channel:live",
            "gpt",
        ] {
            assert_eq!(ordered(line), line);
        }
    }
}
