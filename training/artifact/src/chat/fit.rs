//! Conversation that fits a context: the oldest turns of a longer one leave.

use super::error::TemplateError;
use super::message::{Message, Role};
use super::template::ChatTemplate;
use crate::tokenizer::Tokenizer;

/// A prompt as token ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FittingPrompt {
    /// The ids.
    pub ids: Vec<u32>,
    /// Number of messages of a conversation that were left out.
    pub dropped: usize,
}

impl ChatTemplate {
    /// A conversation, and what asks for an answer, in at most `room` tokens: of a longer one the oldest turns are left out,
    /// as many as it takes. What the system says at the beginning stays, and so does the last message of the user with what
    /// follows it, even if they are longer.
    ///
    /// # Errors
    /// If the template fails, or refuses the conversation.
    pub fn fitting_prompt(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        room: usize,
    ) -> Result<FittingPrompt, TemplateError> {
        let system = messages.iter().take_while(|message| message.role == Role::System).count();
        let (first, others) = messages.split_at(system);
        let without = |dropped: usize| {
            let ids = self.prompt(tokenizer, &[first, &others[dropped..]].concat())?;
            Ok(FittingPrompt { ids, dropped })
        };
        let whole = without(0)?;
        // A turn begins with what the user says, so what is left begins as a conversation does.
        let turns = (1..others.len()).filter(|&index| others[index].role == Role::User);
        let turns: Vec<usize> = turns.collect();
        let Some(&last) = turns.last().filter(|_| whole.ids.len() > room) else { return Ok(whole) };
        // The more is left out the shorter is the rest, so a few of many turns are tried.
        let (mut low, mut high, mut found) = (0, turns.len() - 1, without(last)?);
        while low < high {
            let middle = usize::midpoint(low, high);
            let tried = without(turns[middle])?;
            if tried.ids.len() <= room {
                (high, found) = (middle, tried);
            } else {
                low = middle + 1;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(role: Role, content: &str) -> Message {
        Message::new(role, content)
    }

    /// Writes each message as its first letter and itself, and asks for an answer with `>`.
    fn letters() -> ChatTemplate {
        let source = "{% for message in messages %}{{ message.role[0] ~ message.content }}{% endfor %}\
                      {% if add_generation_prompt %}>{% endif %}";
        ChatTemplate::new(source).unwrap()
    }

    /// The text of a conversation in so many bytes, and how many messages are not in it.
    fn encoded(messages: &[Message], room: usize) -> (String, usize) {
        let bytes = Tokenizer::bytes().unwrap();
        let FittingPrompt { ids, dropped } = letters().fitting_prompt(&bytes, messages, room).unwrap();
        (bytes.decode(&ids).unwrap(), dropped)
    }

    #[test]
    fn the_oldest_turns_leave_when_there_is_no_room() {
        let conversation = [
            says(Role::System, "S"),
            says(Role::Assistant, "0"),
            says(Role::User, "1"),
            says(Role::Assistant, "2"),
            says(Role::Assistant, "3"),
            says(Role::User, "4"),
            says(Role::System, "5"),
            says(Role::User, "6"),
            says(Role::Assistant, "7"),
        ];
        for (room, expected) in [
            (19, ("sSa0u1a2a3u4s5u6a7>", 0)),
            (18, ("sSu1a2a3u4s5u6a7>", 1)),
            (17, ("sSu1a2a3u4s5u6a7>", 1)),
            (16, ("sSu4s5u6a7>", 4)),
            (11, ("sSu4s5u6a7>", 4)),
            (10, ("sSu6a7>", 6)),
            // The last message of the user stays.
            (0, ("sSu6a7>", 6)),
        ] {
            assert_eq!(encoded(&conversation, room), (expected.0.to_owned(), expected.1), "{room}");
        }
        for alone in [&conversation[..1], &conversation[2..3]] {
            assert_eq!(encoded(alone, 0).1, 0);
        }
    }

    /// Of many turns exactly those leave that have to.
    #[test]
    fn no_more_turns_leave_than_it_takes() {
        let turns: Vec<_> = (0..50).map(|_| says(Role::User, "x")).collect();
        for room in 3..=101 {
            // Each takes two bytes, and the end one.
            assert_eq!(encoded(&turns, room).1, 50 - (room - 1) / 2, "{room}");
        }
    }
}
