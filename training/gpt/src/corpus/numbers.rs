//! Numbers in messages.

/// A number of things.
pub fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", number(count), if count == 1 { "" } else { "s" })
}

/// A number with commas between thousands.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_and_things_their_plural() {
        for (count, expected) in
            [(0, "0 files"), (1, "1 file"), (999, "999 files"), (1_234_567, "1,234,567 files")]
        {
            assert_eq!(counted(count, "file"), expected);
        }
    }
}
