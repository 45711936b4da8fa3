//! The names of metrics in a `PromQL` expression. No parser: a tokenizer that knows what else may look
//! like a name (functions, keywords, labels), and says so when it meets what it does not know.

use std::collections::BTreeSet;

/// What may stand before a parenthesis.
const FUNCTIONS: [&str; 17] = [
    "sum",
    "max",
    "min",
    "avg",
    "count",
    "topk",
    "rate",
    "irate",
    "increase",
    "histogram_quantile",
    "vector",
    "label_values",
    "abs",
    "clamp_min",
    "time",
    "changes",
    "absent",
];
/// What is followed by labels in parentheses.
const GROUPINGS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// What joins two expressions.
const OPERATORS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// The metrics that an expression names.
pub fn metrics(expression: &str) -> Result<BTreeSet<String>, String> {
    let mut names = BTreeSet::new();
    let mut rest = expression;
    // Within `by (…)`.
    let mut labels = false;
    while let Some(c) = rest.chars().next() {
        match c {
            '{' => rest = behind(rest, '}')?,
            '[' => rest = behind(rest, ']')?,
            '"' | '\'' => rest = behind(&rest[1..], c)?,
            ')' => {
                labels = false;
                rest = &rest[1..];
            }
            c if c.is_ascii_alphabetic() || c == '_' || c == ':' => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
                let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
                rest = after;
                let next = after.trim_start();
                let opens = next.starts_with('(');
                // `sum by (…) (…)`.
                if FUNCTIONS.contains(&word) && GROUPINGS.iter().any(|g| next.starts_with(g)) {
                    continue;
                }
                if GROUPINGS.contains(&word) && opens {
                    labels = true;
                } else if opens && !labels && !OPERATORS.contains(&word) {
                    if !FUNCTIONS.contains(&word) {
                        return Err(format!(
                            "{word} is no function that this test knows: {expression}"
                        ));
                    }
                    // What follows are names of labels.
                    if word == "label_values" {
                        let inner = after.trim_start().trim_start_matches('(');
                        let (name, _) = inner.split_once(',').ok_or("label_values of one")?;
                        names.insert(name.trim().to_owned());
                        rest = behind(after, ')')?;
                    }
                } else if !labels && !OPERATORS.contains(&word) {
                    names.insert(word.to_owned());
                }
            }
            // A number, and what may stand behind it (`5m`, `1e3`).
            c if c.is_ascii_digit() => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.'));
                rest = &rest[end.unwrap_or(rest.len())..];
            }
            c => rest = &rest[c.len_utf8()..],
        }
    }
    Ok(names)
}

fn behind(text: &str, end: char) -> Result<&str, String> {
    // Within labels a text may hold a bracket.
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        if c == '"' && end != '"' {
            quoted = !quoted;
        }
        if c == end && !quoted {
            return Ok(&text[at + c.len_utf8()..]);
        }
    }
    Err(format!("no {end:?} in {text}"))
}

#[test]
fn names_are_told_from_functions_labels_and_numbers() {
    let names = |text| metrics(text).unwrap().into_iter().collect::<Vec<_>>();
    let quantile = "histogram_quantile(0.95, sum by (le, kind) (rate(a_seconds_bucket[5m])))";
    assert_eq!(names(quantile), ["a_seconds_bucket"]);
    let two =
        r#"max by (server) (x{lane!~"}|by (y)", server=""}) / on (server) z > 1e3 or vector(0)"#;
    assert_eq!(names(two), ["x", "z"]);
    assert_eq!(names("a_total offset 5m and b unless c"), ["a_total", "b", "c"]);
    assert_eq!(names("label_values(up, instance)"), ["up"]);
    assert!(metrics("stddev(x)").is_err(), "what is not known is said");
    assert!(metrics("x{a=\"b\"").is_err());
}
