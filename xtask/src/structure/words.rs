//! Words that the project has replaced by the field's, in names.

use std::collections::BTreeMap;
use std::path::Path;

use super::source::{self, Language};

/// Words that are not to be part of a name, and what is said instead.
const WORDS: &[(&str, &str)] = &[
    ("asker", "origin"),
    ("beaten", "heartbeat ack"),
    ("founded", "bootstrapped"),
    ("founding", "bootstrap"),
    ("foundings", "bootstraps"),
    ("guest", "observer"),
    ("house", "harness"),
    ("insist", "mark urgent"),
    ("life", "incarnation"),
    ("people", "peers"),
    ("resting", "backing off"),
    ("stranger", "unauthenticated peer"),
    ("strangers", "unauthenticated peers"),
    ("testify", "suspicion reply"),
    ("testimonies", "suspicion replies"),
    ("testimony", "suspicion reply"),
    ("twin", "duplicate claim"),
    ("twins", "duplicate claims"),
    ("vouch", "relayed heartbeat"),
    ("vouched", "relayed heartbeat ack"),
    ("waiter", "pending request"),
    ("waiters", "pending requests"),
    ("wish", "next action"),
];

/// Words that are no name by themselves. In the sentence that names a test they are as good as any.
const NO_NAMES: &[(&str, &str)] = &[
    ("happened", "events"),
    ("hear", "handle"),
    ("lives", "incarnations"),
    ("said", "history, answer, message"),
    ("tell", "notify"),
    ("told", "notified"),
];

/// Names in a file, its own among them, that have such a word.
pub(super) fn faults(file: &Path, text: &str, language: Language) -> Vec<String> {
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let mut found = BTreeMap::new();
    for token in source::tokens(text, language).into_iter().filter(|token| !token.text.starts_with('"')) {
        found.entry(token.text).or_insert(token.line);
    }
    found.insert(name.into_owned(), 0);
    let mut faults = Vec::new();
    for (name, line) in found {
        let parts = parts(&name);
        let has = |(word, _): &&(&str, &str)| parts.iter().any(|part| part == word);
        let is = |(word, _): &&(&str, &str)| parts == [*word];
        if let Some((word, instead)) = WORDS.iter().find(has).or_else(|| NO_NAMES.iter().find(is)) {
            faults.push(format!("{}:{line}: {name}: not {word:?}; the word is {instead:?}", file.display()));
        }
    }
    faults
}

/// The words of a name, in lower case: `take_off`, `takeOff` and `TakeOff` have the same two.
fn parts(name: &str) -> Vec<String> {
    let mut spaced = String::new();
    let mut before = '_';
    for char in name.chars() {
        if char.is_uppercase() && before.is_lowercase() {
            spaced.push('_');
        }
        spaced.extend(char.to_lowercase());
        before = char;
    }
    spaced.split(['_', '-']).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> String {
        faults(Path::new(file), text, Language::Rust).join("\n")
    }

    #[test]
    fn replaced_words_are_found_in_names_only() {
        let text = "// who is told of the founding\nfn is_told() -> u8 { let x = \"told\"; found() }";
        assert_eq!(found("t.rs", text), "");
        for name in ["told", "Told", "founding", "is_founding", "FoundingId", "isFounding", "FOUNDING"] {
            let found = found("t.rs", &format!("\nlet {name} = 1;"));
            assert!(found.starts_with(&format!("t.rs:2: {name}: not ")), "{found}");
        }
        assert!(found("people.js", "").starts_with("people.js:0: people"));
    }
}
