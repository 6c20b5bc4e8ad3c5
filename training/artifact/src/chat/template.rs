//! Chat template in Jinja, with what Hugging Face's transformers offer one.
//!
//! <https://huggingface.co/docs/transformers/chat_templating>

use std::fmt;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, context};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::error::TemplateError;
use super::message::{Message, Role};

/// File name of a template inside a version's folder and in Hugging Face's folders.
pub const FILE_NAME: &str = "chat_template.jinja";

/// More than a template needs: the longest that are published have some 10 kB.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// Steps after which a template is ended: a thousand messages take some ten thousand.
const FUEL: u64 = 1 << 21;

/// Name of the template in its environment, and of the filter that marks answers.
const CHAT: &str = "chat_template";
const MARKS: &str = "marks_of_generation";

/// Begins and ends what is between `{% generation %}` and `{% endgeneration %}`.
pub(super) const MARK_BEGIN: char = '\u{fdd0}';
pub(super) const MARK_END: char = '\u{fdd1}';

/// Name and source of the template that any model of texts can go on with.
const PLAIN: (&str, &str) = ("plain", include_str!("templates/plain.jinja"));

/// The built-in templates by name.
const BUILT_IN: [(&str, &str); 4] = [
    ("instruction", include_str!("templates/instruction.jinja")),
    ("chatml", include_str!("templates/chatml.jinja")),
    PLAIN,
    ("none", include_str!("templates/none.jinja")),
];

/// A chat template.
#[derive(Clone)]
pub struct ChatTemplate {
    source: String,
    environment: Environment<'static>,
}

/// Spellings of the tokens that a template may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends<'a> {
    /// `bos_token` and `eos_token`: GPT-2 has one for both.
    pub end_of_text: &'a str,
}

impl ChatTemplate {
    /// The template with this source.
    ///
    /// # Errors
    /// If it is no Jinja.
    pub fn new(source: &str) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        // As transformers set Jinja up.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| of_jinja(&error))?);
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.set_fuel(Some(FUEL));
        environment.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::UndefinedError, message).with_source(Refused))
        });
        environment.add_filter(MARKS, |text: String| format!("{MARK_BEGIN}{text}{MARK_END}"));
        let marked = with_marks(source);
        environment.add_template_owned(CHAT, marked).map_err(|error| of_jinja(&error))?;
        Ok(Self { source: source.to_owned(), environment })
    }

    /// The built-in template of a name.
    pub fn built_in(name: &str) -> Option<Self> {
        let (_, source) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name)?;
        Self::new(source).ok()
    }

    /// The built-in template `plain`. It writes names before what is said, as a play does, which any model of texts can go
    /// on with.
    ///
    /// # Errors
    /// As of [`new`](Self::new).
    pub fn plain() -> Result<Self, TemplateError> {
        Self::new(PLAIN.1)
    }

    /// Whether it is the built-in template `plain`.
    pub fn is_plain(&self) -> bool {
        self.source == PLAIN.1
    }

    /// The names of the built-in templates.
    pub fn built_in_names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// The name of the built-in template that this is; `custom` if it is none.
    pub fn name(&self) -> &'static str {
        BUILT_IN.iter().find(|(_, source)| *source == self.source).map_or("custom", |(name, _)| name)
    }

    /// The text that ends an answer where no token does: the model goes on with what the user says next.
    pub fn stop(&self) -> Option<&'static str> {
        self.is_plain().then_some("\nUser:")
    }

    /// The Jinja source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text of a conversation; with what asks for an answer at its end, if that is wanted.
    ///
    /// # Errors
    /// If the template fails, or refuses the conversation.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        ends: Ends<'_>,
    ) -> Result<String, TemplateError> {
        let text = self.render_marked(messages, add_generation_prompt, ends)?;
        Ok(text.replace([MARK_BEGIN, MARK_END], ""))
    }

    /// The same, with marks around what the template says that the model generates.
    pub(super) fn render_marked(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        Ends { end_of_text }: Ends<'_>,
    ) -> Result<String, TemplateError> {
        let template = self.environment.get_template(CHAT).map_err(|error| of_jinja(&error))?;
        let context = context! {
            messages => Serde(messages),
            add_generation_prompt,
            bos_token => end_of_text,
            eos_token => end_of_text,
        };
        template.render(context).map_err(|error| match self.calls_the_clock(&error) {
            true => TemplateError::Clock,
            false => of_jinja(&error),
        })
    }

    /// Whether it fails for want of `strftime_now`, which transformers offer.
    fn calls_the_clock(&self, error: &minijinja::Error) -> bool {
        let line = error.line().and_then(|line| self.source.lines().nth(line.saturating_sub(1)));
        // Called by itself, and after it was found to be undefined.
        let is_call = matches!(error.kind(), ErrorKind::UnknownFunction | ErrorKind::InvalidOperation);
        is_call && line.is_some_and(|line| line.contains("strftime_now"))
    }

    /// The text of one exchange, for messages about the template.
    pub(super) fn probe(&self, answer: &str, ends: Ends<'_>) -> Result<String, TemplateError> {
        let messages = [Message::new(Role::User, "?"), Message::new(Role::Assistant, answer)];
        self.render_marked(&messages, false, ends)
    }
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChatTemplate").field(&self.source).finish()
    }
}

impl PartialEq for ChatTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// Marks an error of `raise_exception`.
#[derive(Debug, thiserror::Error)]
#[error("raise_exception")]
struct Refused;

/// `{% generation %}` is a tag of transformers' alone: a filter over the same text marks it.
fn with_marks(source: &str) -> String {
    let mut marked = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest[start..].find("%}") else { break };
        let tag = &rest[start + 2..start + length];
        let name = tag.trim_matches(|character: char| character.is_whitespace() || "-+".contains(character));
        let replacement = match name {
            "generation" => Some(format!("filter {MARKS}")),
            "endgeneration" => Some("endfilter".to_owned()),
            _ => None,
        };
        marked.push_str(&rest[..start + 2]);
        marked.push_str(&replacement.map_or_else(|| tag.to_owned(), |by| tag.replacen(name, &by, 1)));
        rest = &rest[start + length..];
    }
    marked + rest
}

fn of_jinja(error: &minijinja::Error) -> TemplateError {
    let is_refusal = std::error::Error::source(error).is_some_and(|source| source.is::<Refused>());
    if is_refusal {
        return TemplateError::Refused(error.detail().unwrap_or_default().to_owned());
    }
    let reason = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    TemplateError::Jinja {
        place: error.line().map_or_else(String::new, |line| format!(" in line {line}")),
        reason,
    }
}
