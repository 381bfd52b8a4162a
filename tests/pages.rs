//! Generated pages equal what the tables generate, and quoted files what they quote: a page that is a copy cannot go stale.
//!
//! `UPDATE=1 cargo test --test pages` writes them.

// The test reads and writes pages; the rule is for the server.
#![allow(clippy::disallowed_methods)]

use std::path::Path;

/// Compares a page with what it should be, or writes it.
fn check(page: &str, generated: &str, update: bool) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    if written == generated {
        return;
    }
    if update {
        std::fs::write(&path, generated).expect("the page can be written");
        return;
    }
    let same = written.lines().zip(generated.lines()).take_while(|(a, b)| a == b).count();
    panic!("{page} differs from its source at line {}: run UPDATE=1 cargo test --test pages", same + 1);
}

fn update() -> bool {
    std::env::var("UPDATE").is_ok()
}

#[test]
fn config_reference() {
    check("docs/config.md", &seedis::engine::config::reference_page(), update());
}

#[test]
fn command_reference() {
    check("docs/commands.md", &seedis::engine::command::reference_page(), update());
}

/// A page in which each block of code under `<!-- FILE -->` is that file.
fn with_files(page: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join(page)).expect("the page is there");
    let mut parts = text.split("<!-- ");
    let mut quoting = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (file, block) = part.split_once(" -->\n```rust\n").expect("a block under the name of a file");
        let after = block.find("```\n").expect("the block ends");
        let code = std::fs::read_to_string(root.join(file)).expect("the file is there");
        quoting += &format!("<!-- {file} -->\n```rust\n{code}{}", &block[after..]);
    }
    quoting
}

#[test]
fn quoted_files() {
    let page = "docs/simulation.md";
    assert!(with_files(page).contains("\n<!-- sim/tests/counter.rs -->\n```rust\n//! "));
    check(page, &with_files(page), update());
}

#[test]
#[should_panic(expected = "differs from its source at line 1")]
fn a_stale_page_is_found() {
    check("docs/config.md", "Something else.\n", false);
}
