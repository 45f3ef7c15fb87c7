//! What a source file names: modules, imports, paths, items. A scan of words, not a parser: it knows as much of Rust as
//! the checks need, and compiles in no time.

use std::collections::BTreeSet;

/// A word, a sign or a string of a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

/// The languages of the sources, which differ in what a string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Rust,
    JavaScript,
}

/// Splits a source into its tokens.
pub(super) fn tokens(source: &str, language: Language) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let end = token_end(&chars, at, language);
        let text: String = chars[at..end].iter().collect();
        let is_comment = text.starts_with("//") || text.starts_with("/*");
        let is_string = end > at + 1 && matches!(chars[end - 1], '"' | '\'' | '`' | '#');
        let text = if is_string { unquoted(&text) } else { text };
        if !is_comment && !chars[at].is_whitespace() {
            tokens.push(Token { text, line });
        }
        line += chars[at..end].iter().filter(|char| **char == '\n').count();
        at = end;
    }
    tokens
}

/// A string however it was quoted: begins with a quote, as no word does, and goes on with what it holds.
fn unquoted(string: &str) -> String {
    let quotes = ['"', '\'', '`'];
    let inner = string.split_once(quotes).map_or("", |(_, inner)| inner);
    format!("\"{}", inner.trim_end_matches('#').strip_suffix(quotes).unwrap_or(inner))
}

/// Where the token that begins at `at` ends.
fn token_end(chars: &[char], at: usize, language: Language) -> usize {
    let next = |n: usize| chars.get(at + n).copied().unwrap_or('\0');
    match (chars[at], next(1)) {
        ('/', '/') => chars[at..].iter().position(|char| *char == '\n').map_or(chars.len(), |n| at + n),
        ('/', '*') => comment_end(chars, at),
        (':', ':') => at + 2,
        ('"', _) => string_end(chars, at, '"'),
        ('`' | '\'', _) if language == Language::JavaScript => string_end(chars, at, chars[at]),
        // A character, or else a lifetime.
        ('\'', '\\') => string_end(chars, at, '\''),
        ('\'', _) if next(2) == '\'' => at + 3,
        ('r' | 'b' | 'c', '"' | '#' | 'r') if language == Language::Rust => {
            raw_string_end(chars, at).unwrap_or_else(|| word_end(chars, at))
        }
        (char, _) if is_word(char) => word_end(chars, at),
        _ => at + 1,
    }
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

fn word_end(chars: &[char], at: usize) -> usize {
    // `r#type` is the word `type`.
    let from = if chars[at..].starts_with(&['r', '#']) { at + 2 } else { at };
    let length = chars[from..].iter().take_while(|char| is_word(**char)).count();
    (from + length).max(at + 1)
}

/// Comments of Rust are nested; those of JavaScript do not contain one another either way.
fn comment_end(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match chars[at..] {
            ['/', '*', ..] => depth += 1,
            ['*', '/', ..] => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            break;
        }
    }
    at
}

fn string_end(chars: &[char], at: usize, quote: char) -> usize {
    let mut end = at + 1;
    while end < chars.len() && chars[end] != quote {
        end += if chars[end] == '\\' { 2 } else { 1 };
    }
    (end + 1).min(chars.len())
}

/// The end of `r"…"`, `br#"…"#`, `b"…"` and the like; none where this is a word.
fn raw_string_end(chars: &[char], at: usize) -> Option<usize> {
    let prefix = chars[at..].iter().take_while(|char| matches!(char, 'r' | 'b' | 'c')).count();
    let hashes = chars[at + prefix..].iter().take_while(|char| **char == '#').count();
    let open = at + prefix + hashes;
    if chars.get(open) != Some(&'"') || prefix > 2 {
        return None;
    }
    if !chars[at..at + prefix].contains(&'r') {
        return (hashes == 0).then(|| string_end(chars, open, '"'));
    }
    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let length = chars[open + 1..].windows(close.len()).position(|window| window == close)?;
    Some(open + 1 + length + close.len())
}

/// A path as it is written, from its first segment on, and the name that an import gives to what it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) segments: Vec<String>,
    /// Of an import: the name; `*` for all names.
    pub(super) alias: Option<String>,
    pub(super) line: usize,
}

/// A module as it stands in a file: the file's own, or one within braces.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// Its name within the file; empty for the file's own.
    pub(super) path: Vec<String>,
    /// Modules that are declared here, in files of their own, and the files' names where they are given.
    pub(super) files: Vec<(String, Option<String>)>,
    /// Names of the items that are defined here.
    pub(super) items: BTreeSet<String>,
    pub(super) paths: Vec<Path>,
}

/// The modules in a file, without those that are for tests only.
pub(super) fn scopes(tokens: &[Token]) -> Vec<Scope> {
    let mut scopes = Vec::new();
    read_scope(tokens, Vec::new(), &mut scopes);
    scopes
}

fn read_scope(tokens: &[Token], path: Vec<String>, scopes: &mut Vec<Scope>) {
    let mut scope = Scope { path, ..Scope::default() };
    let (mut at, mut depth, mut file_name) = (0, 0_usize, None);
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    while at < tokens.len() {
        match text(at) {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            "#" => {
                let open = at + 1 + usize::from(text(at + 1) == "!");
                let end = closing(tokens, open);
                if text(open + 1) == "path" {
                    file_name = Some(text(open + 3).trim_start_matches('"').to_owned());
                }
                let is_test = text(open + 1) == "cfg"
                    && tokens[open..end].iter().any(|token| token.text == "test")
                    && !tokens[open..end].iter().any(|token| token.text == "not");
                at = if is_test { item_end(tokens, end) } else { end };
                continue;
            }
            "mod" if text(at + 2) == ";" => scope.files.push((text(at + 1).to_owned(), file_name.take())),
            "mod" if text(at + 2) == "{" => {
                let end = closing(tokens, at + 2);
                let inner = [scope.path.as_slice(), &[text(at + 1).to_owned()]].concat();
                read_scope(&tokens[at + 3..end - 1], inner, scopes);
                at = end;
                continue;
            }
            "use" if text(at + 1) != "<" => {
                let end = (at..tokens.len()).find(|at| text(*at) == ";").unwrap_or(tokens.len());
                read_use(&tokens[at + 1..end], &[], &mut scope.paths);
                at = end;
                continue;
            }
            "crate" | "super" | "self" if text(at + 1) == "::" => {
                let (path, end) = read_path(tokens, at);
                scope.paths.push(path);
                at = end;
                continue;
            }
            "struct" | "enum" | "union" | "trait" | "type" | "fn" | "const" | "static" if depth == 0 => {
                scope.items.insert(text(at + 1).to_owned());
            }
            "macro_rules" => {
                scope.items.insert(text(at + 2).to_owned());
            }
            _ => {}
        }
        at += 1;
    }
    scopes.push(scope);
}

/// Reads `a::b::C` from `at` on.
fn read_path(tokens: &[Token], mut at: usize) -> (Path, usize) {
    let mut path = Path { segments: Vec::new(), alias: None, line: tokens[at].line };
    while let Some(token) = tokens.get(at).filter(|token| token.text.starts_with(is_word)) {
        path.segments.push(token.text.clone());
        at += 1;
        if tokens.get(at).is_none_or(|token| token.text != "::") {
            break;
        }
        at += 1;
    }
    (path, at)
}

/// Reads what `use` is followed by: `a::{b, c as d, e::*}`.
fn read_use(tokens: &[Token], before: &[String], paths: &mut Vec<Path>) {
    let mut at = 0;
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    while at < tokens.len() {
        let start = at + usize::from(text(at) == "::");
        let Some(line) = tokens.get(start).map(|token| token.line) else { return };
        let (path, end) = read_path(tokens, start);
        let mut segments = [before, path.segments.as_slice()].concat();
        at = end;
        match text(at) {
            "{" => {
                let end = closing(tokens, at);
                read_use(&tokens[at + 1..end - 1], &segments, paths);
                at = end;
            }
            "*" => {
                paths.push(Path { segments, alias: Some("*".into()), line });
                at += 1;
            }
            next => {
                // `a::{self}` is `a`.
                segments.pop_if(|last| last == "self" && !before.is_empty());
                let renamed = (next == "as").then(|| text(at + 1).to_owned());
                let alias = renamed.or_else(|| segments.last().cloned());
                paths.push(Path { segments, alias, line });
                at += if next == "as" { 2 } else { 0 };
            }
        }
        at += 1;
    }
}

/// The index behind the bracket that closes the one at `open`.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "{" | "[" | "(" => depth += 1,
            "}" | "]" | ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The index behind the item that begins at `at`: behind its semicolon, or its braces.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            ";" => return at + 1,
            // The body of a function or a module, or the list of an import.
            "{" => {
                let end = closing(tokens, at);
                let is_import = tokens.get(end).is_some_and(|token| token.text == ";");
                return end + usize::from(is_import);
            }
            "[" | "(" => at = closing(tokens, at),
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        tokens(source, Language::Rust).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_strings_are_not_words() {
        let source = "a // b\n/* c /* d */ e */ f r#\"g \" h\"# \"i \\\" j\" 'k' 'l b\"m\" r#type br n";
        assert_eq!(
            words(source),
            ["a", "f", "\"g \" h", "\"i \\\" j", "\"k", "'", "l", "\"m", "r#type", "br", "n"]
        );
        assert_eq!(tokens("a\n\n\"\n\" b", Language::Rust)[2].line, 4);
        assert_eq!(tokens("`a ${b}` 'c' d", Language::JavaScript).len(), 3);
    }

    #[test]
    fn imports_and_paths_are_read() {
        let source = "use crate::a::{self, b::C as D, e::*};\nfn f() -> super::G { crate::h::<u8>() }";
        let scopes = scopes(&tokens(source, Language::Rust));
        let paths: Vec<String> = scopes[0]
            .paths
            .iter()
            .map(|path| format!("{} {:?} {}", path.segments.join("::"), path.alias, path.line))
            .collect();
        let expected = [
            "crate::a Some(\"a\") 1",
            "crate::a::b::C Some(\"D\") 1",
            "crate::a::e Some(\"*\") 1",
            "super::G None 2",
            "crate::h None 2",
        ];
        assert_eq!(paths, expected);
        assert!(scopes[0].items.contains("f"));
    }

    #[test]
    fn what_is_for_tests_is_left_out() {
        let source = "#[cfg(test)]\nmod tests { use crate::a; }\n#[cfg(test)] use crate::{b};\n#[cfg(test)] mod c;\n\
                      #[cfg(all(test, unix))] fn f(x: [u8; 2]) -> [u8; 2] { crate::d() }\n#[cfg(not(test))] use crate::e;\nmod g { mod h; }";
        let scopes = scopes(&tokens(source, Language::Rust));
        let all: Vec<_> =
            scopes.iter().flat_map(|scope| &scope.paths).map(|path| path.segments.join("::")).collect();
        assert_eq!(all, ["crate::e"]);
        assert_eq!(scopes[0].path, ["g"]);
        assert_eq!(scopes[0].files, [("h".to_owned(), None)]);
    }

    #[test]
    fn a_module_can_name_its_file() {
        let scopes = scopes(&tokens("#[path = \"b.rs\"]\nmod a;\nmod c;", Language::Rust));
        assert_eq!(scopes[0].files, [("a".to_owned(), Some("b.rs".to_owned())), ("c".to_owned(), None)]);
    }
}
