//! Line ends: `\r\n` and `\r` as `\n`.

/// Normalizes line ends while a text goes by.
#[derive(Default)]
pub struct LineEnds {
    /// The text so far ends in a carriage return: a line feed that follows belongs to it.
    after_return: bool,
}

impl LineEnds {
    /// Appends `block` to `text`.
    pub fn push(&mut self, mut block: &str, text: &mut String) {
        if block.is_empty() {
            return;
        }
        if self.after_return {
            block = block.strip_prefix('\n').unwrap_or(block);
        }
        self.after_return = block.ends_with('\r');
        for (index, part) in block.split('\r').enumerate() {
            if index == 0 {
                text.push_str(part);
            } else {
                text.push('\n');
                text.push_str(part.strip_prefix('\n').unwrap_or(part));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(text: &str, step: usize) -> String {
        let (mut lines, mut normalized) = (LineEnds::default(), String::new());
        let characters: Vec<char> = text.chars().collect();
        for block in characters.chunks(step) {
            lines.push(&block.iter().collect::<String>(), &mut normalized);
        }
        normalized
    }

    #[test]
    fn lines_end_in_line_feeds_wherever_blocks_end() {
        let text = "a\r\nb\rc\r\r\nd\n\r\r\n\r\ne\u{feff}\r";
        for step in 1..=text.len() {
            assert_eq!(normalized(text, step), "a\nb\nc\n\nd\n\n\n\ne\u{feff}\n", "{step}");
        }
    }
}
