//! Files: how they open, whether they are reached, where `unsafe` may stand, what types are called.

use super::source::{Source, identifier, line_number, words};

/// Files that may hold `unsafe`, each with a safe face and a reason at its top.
pub const UNSAFE: &[&str] =
    &["src/engine/keyspace/entry.rs", "src/engine/prefetch.rs", "src/engine/script/stack.rs"];

/// Words that name a pattern instead of a thing.
const EMPTY_WORDS: [&str; 4] = ["Manager", "Helper", "Util", "Handler"];

/// Complains about files that do not open with what they are.
pub fn headers(sources: &[Source]) -> Vec<String> {
    let silent = sources.iter().filter(|source| !source.text.starts_with("//!"));
    silent.map(|s| format!("{}: open it with a `//!` line that says what lives here", s.path)).collect()
}

/// Complains about files that no `mod` line reaches: they are not compiled.
pub fn orphans(sources: &[Source]) -> Vec<String> {
    let modules = sources.iter().filter(|source| module_parents(&source.path).is_some());
    let orphans = modules.filter(|source| {
        let (name, parents) = module_parents(&source.path).expect("it was filtered");
        let declares = |parent: &Source| {
            words(&parent.code, "mod").any(|at| {
                let rest = &parent.code[at + 3..];
                identifier(rest) == name && rest.trim_start()[name.len()..].trim_start().starts_with(';')
            })
        };
        let may = |parent: &Source| {
            parents.contains(&parent.path) || parents[0] == SHARED && parent.path.starts_with("tests/")
        };
        !sources.iter().any(|parent| may(parent) && declares(parent))
    });
    orphans.map(|s| format!("{}: is not compiled: name it in a `mod` line or delete it", s.path)).collect()
}

/// Stands for any test program: a folder in `tests` with a `mod.rs` is shared by those that name it.
const SHARED: &str = "tests/*";

/// The name of the module in that file and the files that may declare it; `None` for the root of a crate.
fn module_parents(path: &str) -> Option<(String, Vec<String>)> {
    let parts: Vec<&str> = path.strip_suffix(".rs")?.split('/').collect();
    let parts = if parts.last() == Some(&"mod") { &parts[..parts.len() - 1] } else { &parts[..] };
    let (name, folder) = parts.split_last()?;
    let folder_path = folder.join("/");
    // Cargo makes a target of each file in these, and of `main.rs` in each folder of `tests`.
    let is_root =
        ["lib", "main"].contains(name) || ["tests", "fuzz/fuzz_targets"].contains(&folder_path.as_str());
    let shared = folder_path == "tests" && path.ends_with("/mod.rs");
    if is_root && !shared {
        return None;
    }
    if shared {
        return Some((name.to_string(), vec![SHARED.to_owned()]));
    }
    let mut parents: Vec<_> =
        ["mod", "lib", "main"].iter().map(|file| format!("{folder_path}/{file}.rs")).collect();
    parents.push(format!("{folder_path}.rs"));
    Some((name.to_string(), parents))
}

/// Complains about `unsafe` outside the files listed, and about files listed that need no listing.
pub fn unsafe_code(sources: &[Source], listed: &[&str]) -> Vec<String> {
    let uses = |source: &Source| words(&source.code, "unsafe").next();
    let mut complaints = Vec::new();
    for source in sources {
        let listed = listed.contains(&source.path.as_str());
        match uses(source) {
            Some(at) if !listed => complaints.push(format!(
                "{}:{}: `unsafe` belongs behind a safe face in one of the files listed in tests/tidy/layout.rs",
                source.path,
                line_number(&source.text, at)
            )),
            None if listed => {
                complaints.push(format!("{}: has no `unsafe`: delete it from the list", source.path));
            }
            _ => {}
        }
    }
    for path in listed.iter().filter(|path| !sources.iter().any(|source| source.path == **path)) {
        complaints.push(format!("{path}: is gone: delete it from the list in tests/tidy/layout.rs"));
    }
    complaints
}

/// Complains about types whose name says which pattern they follow and not what they are.
pub fn names(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        for keyword in ["struct", "enum", "trait", "type", "union"] {
            for at in words(&source.code, keyword) {
                let name = identifier(&source.code[at + keyword.len()..]);
                if let Some(word) = EMPTY_WORDS.iter().find(|word| has_word(name, word)) {
                    let line = line_number(&source.text, at);
                    complaints.push(format!(
                        "{}:{line}: `{name}`: not `{word}`; say what it is in the field's own words",
                        source.path
                    ));
                }
            }
        }
    }
    complaints
}

/// Whether a name in CamelCase contains that word, singular or plural.
fn has_word(name: &str, word: &str) -> bool {
    name.match_indices(word).any(|(at, _)| {
        let rest = &name[at + word.len()..];
        let rest = rest.strip_prefix('s').unwrap_or(rest);
        !rest.starts_with(|c: char| c.is_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_header_is_found() {
        assert_eq!(headers(&[Source::new("src/x.rs", "use std::fmt;\n")]).len(), 1);
        assert!(headers(&[Source::new("src/x.rs", "//! What it is.\n")]).is_empty());
    }

    #[test]
    fn an_orphan_is_found() {
        let tree = |declaration: &str| {
            vec![
                Source::new("src/lib.rs", declaration),
                Source::new("src/a/mod.rs", "mod b;"),
                Source::new("src/a/b.rs", ""),
                Source::new("tests/c.rs", ""),
                Source::new("tests/d/main.rs", "mod e;"),
                Source::new("tests/d/e.rs", ""),
            ]
        };
        assert!(orphans(&tree("pub mod a;")).is_empty());
        assert_eq!(orphans(&tree("// mod a;")).len(), 1);
        assert_eq!(orphans(&tree("mod a { }")).len(), 1);
        assert_eq!(orphans(&[Source::new("tests/support/mod.rs", "")]).len(), 1);
    }

    #[test]
    fn unsafe_is_found() {
        let with = || [Source::new("src/x.rs", "fn f() { unsafe { g() } }")];
        assert_eq!(unsafe_code(&with(), &[]).len(), 1);
        assert!(unsafe_code(&with(), &["src/x.rs"]).is_empty());
        let without = [Source::new("src/x.rs", "#![deny(unsafe_code)] // unsafe")];
        assert!(unsafe_code(&without, &[]).is_empty());
        assert_eq!(unsafe_code(&without, &["src/x.rs"]).len(), 1);
        assert_eq!(unsafe_code(&without, &["src/gone.rs"]).len(), 1);
    }

    #[test]
    fn empty_names_are_found() {
        let check = |text: &str| names(&[Source::new("src/x.rs", text)]).len();
        assert_eq!(
            check("struct KeyManager;\nenum Handler {}\ntrait StringUtils {}\ntype HelperOf<T> = T;"),
            4
        );
        assert_eq!(check("struct Utilization;\nenum Handle {}\nfn manager() {}\n// struct Manager\n"), 0);
    }
}
