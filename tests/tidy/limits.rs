//! How long a file and a function may be.

use super::source::{Source, block_length, identifier, lines_of, words};

/// Lines of code a file may have; comments, blank lines and test modules are not counted.
const FILE_LINES_MAX: usize = 800;

/// Lines of code a function may have, its braces included and its largest flat `match` not counted.
const FUNCTION_LINES_MAX: usize = 70;

/// Files that are longer, with their length. No entry may be added or raised; delete them one by one.
pub const LONG_FILES: &[(&str, usize)] = &[];

/// Functions that are longer, as `path function`, with their length. No entry may be added or raised.
pub const LONG_FUNCTIONS: &[(&str, usize)] = &[];

/// Complains about files that are too long.
pub fn files(sources: &[Source], listed: &[(&str, usize)]) -> Vec<String> {
    let lengths = sources.iter().filter(|source| !source.is_test());
    let lengths = lengths.map(|source| (source.path.clone(), lines_of(&source.code_without_tests())));
    ratchet(lengths, FILE_LINES_MAX, listed, "LONG_FILES", "split it by concern")
}

/// Complains about functions that are too long.
pub fn functions(sources: &[Source], listed: &[(&str, usize)]) -> Vec<String> {
    let lengths = sources.iter().filter(|source| !source.is_test()).flat_map(|source| {
        let code = source.code_without_tests();
        let lengths: Vec<_> = words(&code, "fn").filter_map(|at| function(source, &code, at)).collect();
        lengths
    });
    ratchet(lengths, FUNCTION_LINES_MAX, listed, "LONG_FUNCTIONS", "give its parts names of their own")
}

fn ratchet(
    lengths: impl Iterator<Item = (String, usize)>,
    limit: usize,
    listed: &[(&str, usize)],
    list: &str,
    advice: &str,
) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut seen = vec![false; listed.len()];
    for (name, lines) in lengths.filter(|(_, lines)| *lines > limit) {
        let entry = listed.iter().position(|(listed, _)| *listed == name);
        match entry.map(|entry| listed[entry].1) {
            None => complaints.push(format!("{name}: {lines} lines of code, {limit} are allowed: {advice}")),
            Some(before) if lines > before => {
                complaints.push(format!("{name}: grew from {before} to {lines} lines: {advice}"));
            }
            Some(before) if lines < before => complaints.push(format!(
                "{name}: shrank from {before} to {lines} lines: lower its entry in {list} of tests/tidy/limits.rs"
            )),
            Some(_) => {}
        }
        if let Some(entry) = entry {
            seen[entry] = true;
        }
    }
    for ((name, _), _) in listed.iter().zip(seen).filter(|(_, seen)| !seen) {
        complaints.push(format!("{name}: is short now: delete its entry in {list} of tests/tidy/limits.rs"));
    }
    complaints
}

/// Name and length of the function whose `fn` stands at `at`, if it has a body.
fn function(source: &Source, code: &str, at: usize) -> Option<(String, usize)> {
    let name = identifier(&code[at + 2..]);
    if name.is_empty() {
        return None; // A function pointer's type.
    }
    let body = at + body_start(&code[at..])?;
    let code = &code[body..body + block_length(&code[body..])?];
    let lines = lines_of(code) - largest_flat_match(code);
    Some((format!("{} {name}", source.path), lines))
}

/// Where the body of a function begins; a declaration ends with a semicolon outside brackets instead.
fn body_start(code: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 => return None,
            b'{' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// Lines of the largest `match` whose arms hold at most one more level of braces: a table, however long.
fn largest_flat_match(code: &str) -> usize {
    let lengths = words(code, "match").filter_map(|at| {
        let start = at + code[at..].find('{')?;
        let block = &code[start..start + block_length(&code[start..])?];
        let mut depth = 0;
        let mut deepest = 0;
        for byte in block.bytes() {
            depth += i32::from(byte == b'{') - i32::from(byte == b'}');
            deepest = deepest.max(depth);
        }
        (deepest <= 2).then(|| lines_of(block))
    });
    lengths.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function_of(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    step();\n".repeat(lines - 2))
    }

    #[test]
    fn a_long_file_is_found() {
        let long = Source::new("src/x.rs", &"const A: u8 = 1;\n".repeat(FILE_LINES_MAX + 1));
        assert_eq!(files(&[long], &[]).len(), 1);
        let tests =
            format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "const A: u8 = 1;\n".repeat(FILE_LINES_MAX));
        assert!(files(&[Source::new("src/x.rs", &tests)], &[]).is_empty());
        let comments = "/// Words.\n".repeat(FILE_LINES_MAX + 1);
        assert!(files(&[Source::new("src/x.rs", &comments)], &[]).is_empty());
    }

    #[test]
    fn a_long_function_is_found() {
        let check = |text: &str| functions(&[Source::new("src/x.rs", text)], &[]);
        assert!(check(&function_of(FUNCTION_LINES_MAX)).is_empty());
        assert_eq!(check(&function_of(FUNCTION_LINES_MAX + 1)).len(), 1);
        let arms = |arm: &str| format!("fn f() {{\n match x {{\n{}}}\n}}\n", arm.repeat(80));
        assert!(check(&arms("1 => 2,\n")).is_empty());
        assert_eq!(check(&arms("1 => { if a { b { c } } }\n")).len(), 1);
        assert!(check("fn f(x: fn(u8)) -> [u8; 2];\n").is_empty());
    }

    #[test]
    fn the_ratchet_only_goes_down() {
        let source = || [Source::new("src/x.rs", &function_of(100))];
        assert!(functions(&source(), &[("src/x.rs long", 100)]).is_empty());
        assert!(functions(&source(), &[("src/x.rs long", 99)])[0].contains("grew"));
        assert!(functions(&source(), &[("src/x.rs long", 101)])[0].contains("lower its entry"));
        assert!(
            functions(&source(), &[("src/x.rs long", 100), ("src/y.rs f", 90)])[0]
                .contains("delete its entry")
        );
    }
}
