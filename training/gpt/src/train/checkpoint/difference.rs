//! First difference between the settings of two runs.

/// The first difference between two JSON values, as a sentence that names its path.
pub(super) fn first_difference(path: &str, a: &serde_json::Value, b: &serde_json::Value) -> Option<String> {
    if let (Some(a), Some(b)) = (a.as_object(), b.as_object()) {
        let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
        return keys.into_iter().find_map(|key| {
            let null = serde_json::Value::Null;
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            first_difference(&path, a.get(key).unwrap_or(&null), b.get(key).unwrap_or(&null))
        });
    }
    (a != b).then(|| format!("`{path}` was {a} and is {b}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_difference_is_named_by_its_path() {
        let a = json!({"training": {"seed": 1, "epochs": 2}, "corpus": "x"});
        assert_eq!(first_difference("", &a, &a), None);
        let b = json!({"training": {"seed": 1, "epochs": 3}, "corpus": "x"});
        assert_eq!(first_difference("", &a, &b).unwrap(), "`training.epochs` was 2 and is 3");
        let b = json!({"training": {"seed": 1, "epochs": 2}});
        assert_eq!(first_difference("", &a, &b).unwrap(), "`corpus` was \"x\" and is null");
    }
}
