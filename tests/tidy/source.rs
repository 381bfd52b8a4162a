//! A Rust file, seen as far as the checks need: its text, and its code with comments and literals blanked.

use std::path::Path;

/// Where our code lives. Third-party and generated files are elsewhere.
const ROOTS: [&str; 4] = ["src", "sim/src", "tests", "fuzz/fuzz_targets"];

/// One file.
pub struct Source {
    /// Relative to the repository, with forward slashes.
    pub path: String,
    /// As it stands.
    pub text: String,
    /// The same, byte for byte, but with spaces for comments and for the insides of literals.
    pub code: String,
}

impl Source {
    /// A file of that content.
    pub fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned(), code: blank(text) }
    }

    /// Every file of ours, in order of path.
    pub fn all() -> Vec<Source> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut sources = Vec::new();
        for directory in ROOTS {
            collect(root, &root.join(directory), &mut sources);
        }
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "the sources were not found");
        sources
    }

    /// Whether the file holds nothing but tests.
    pub fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    /// The code with test modules blanked too.
    pub fn code_without_tests(&self) -> String {
        let mut code = self.code.clone().into_bytes();
        let mut from = 0;
        while let Some(at) = self.code[from..].find("#[cfg(test)]").map(|at| at + from) {
            from = at + 1;
            let Some(length) = item_length(&self.code[at..]) else { continue };
            for byte in &mut code[at..at + length] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
            from = at + length;
        }
        String::from_utf8(code).expect("blanking keeps characters whole")
    }
}

/// Bytes up to the end of the item that `code` begins with: its block, or its semicolon.
fn item_length(code: &str) -> Option<usize> {
    let end = code.find(['{', ';'])?;
    if code.as_bytes()[end] == b';' {
        Some(end + 1)
    } else {
        block_length(&code[end..]).map(|length| end + length)
    }
}

/// Bytes of the block that `code` begins with, both braces included.
pub fn block_length(code: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// Lines that hold anything but blanks.
pub fn lines_of(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

/// Where the word `word` stands in `code`, not as part of a longer one.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |&at| !code[..at].ends_with(part) && !code[at + word.len()..].starts_with(part))
}

/// The identifier that `code` begins with, spaces before it skipped.
pub fn identifier(code: &str) -> &str {
    let code = code.trim_start();
    let end = code.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len());
    &code[..end]
}

/// The number of the line in which a byte stands.
pub fn line_number(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn collect(root: &Path, directory: &Path, sources: &mut Vec<Source>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for path in entries.map(|entry| entry.expect("the directory can be read").path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", "node_modules"].contains(&name.as_str()) && !name.starts_with('.') {
                collect(root, &path, sources);
            }
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path).expect("a source is text");
            let relative = path.strip_prefix(root).expect("it lies beneath the root");
            sources.push(Source::new(&relative.to_string_lossy().replace('\\', "/"), &text));
        }
    }
}

/// `text` with comments and the insides of literals blanked.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (length, keep) = token(rest, out.chars().next_back());
        for (at, c) in rest[..length].char_indices() {
            let kept =
                at < keep || at + c.len_utf8() > length.saturating_sub(usize::from(keep > 0)) || c == '\n';
            if kept {
                out.push(c);
            } else {
                out.extend(std::iter::repeat_n(' ', c.len_utf8()));
            }
        }
        rest = &rest[length..];
    }
    out
}

/// Length of the token at the start, and how much of its start (and, if any, its last byte) to keep.
fn token(rest: &str, before: Option<char>) -> (usize, usize) {
    let word_before = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let first = rest.chars().next().map_or(0, char::len_utf8);
    if rest.starts_with("//") {
        (rest.find('\n').unwrap_or(rest.len()), 0)
    } else if rest.starts_with("/*") {
        (block_comment(rest), 0)
    } else if rest.starts_with('"') {
        (quoted(rest, '"'), 1)
    } else if let Some(hashes) = (!word_before).then(|| raw_string(rest)).flatten() {
        let end = format!("\"{}", "#".repeat(hashes));
        let open = rest.find('"').map_or(0, |at| at + 1);
        (rest[open..].find(&end).map_or(rest.len(), |at| open + at + end.len()), open)
    } else if rest.starts_with('\'') && is_char_literal(rest) {
        (quoted(rest, '\''), 1)
    } else {
        (first, first)
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted(rest: &str, end: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == end && !escaped {
            return at + c.len_utf8();
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

/// The number of hashes of the raw string that `rest` begins with.
fn raw_string(rest: &str) -> Option<usize> {
    let rest = rest.strip_prefix('b').or_else(|| rest.strip_prefix('c')).unwrap_or(rest).strip_prefix('r')?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest[hashes..].starts_with('"').then_some(hashes)
}

/// A quote begins a character, not a lifetime, if another follows the next character or an escape does.
fn is_char_literal(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    chars.next() == Some('\\') || chars.next() == Some('\'')
}

#[test]
fn comments_and_literals_are_blanked() {
    for (text, code) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"f("x \" y", 'z')"#, r#"f("      ", ' ')"#),
        (r##"r#"a "b" c"# d"##, r##"r#"        # d"##),
        ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
        (r"'\'' x", r"'  ' x"),
        ("br\"\\\" y", "br\" \" y"),
    ] {
        let source = Source::new("src/x.rs", text);
        assert_eq!(source.code, code, "{text}");
        assert_eq!(source.code.len(), text.len());
    }
}

#[test]
fn test_modules_are_cut_out() {
    let source = Source::new("src/x.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n  fn g() {}\n}\nfn h() {}\n");
    let code = source.code_without_tests();
    assert!(code.contains("fn f") && code.contains("fn h") && !code.contains("fn g"));
    assert_eq!(lines_of(&code), 2);
    let declared = Source::new("src/x.rs", "#[cfg(test)]\nmod tests;\nfn h() {}\n");
    assert!(declared.code_without_tests().contains("fn h"));
}
