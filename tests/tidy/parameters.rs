//! Parameters that nothing reads: their rows must say so, or users rely on what is not there.

use super::source::Source;

/// Complains about parameters, each with whether its row calls it inert, that are read though inert or the other way
/// round. A parameter is read where a field of its name is, so that one of a name that others have too (`port`) counts as
/// read in any case.
pub fn inert<'a>(sources: &[Source], parameters: impl IntoIterator<Item = (&'a str, bool)>) -> Vec<String> {
    let own: Vec<String> = sources
        .iter()
        .filter(|source| source.path.starts_with("src/") && !source.is_test())
        .map(Source::code_without_tests)
        .collect();
    let mut complaints = Vec::new();
    for (name, is_inert) in parameters {
        let field = name.replace('-', "_");
        let is_read = own
            .iter()
            .any(|code| reads(code, &format!(".{field}")) || reads(code, &format!("Param::{field}")));
        match (is_read, is_inert) {
            (false, false) => {
                complaints.push(format!("{name}: nothing reads it, so its row needs the flag Inert"))
            }
            (true, true) => complaints.push(format!("{name}: it is read, so it is not Inert")),
            _ => {}
        }
    }
    complaints
}

/// Whether the code has this, and no longer name.
fn reads(code: &str, what: &str) -> bool {
    let ends = |after: &str| !after.starts_with(|next: char| next.is_alphanumeric() || next == '_');
    code.match_indices(what).any(|(at, _)| ends(&code[at + what.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_says_the_wrong_thing_is_found() {
        let check = |code: &str, is_inert: bool| {
            inert(&[Source::new("src/code.rs", code)], [("save-often", is_inert)]).len()
        };
        assert_eq!(check("fn f() { config.save_often }", false), 0);
        assert_eq!(check("fn f() { config.save_often }", true), 1);
        assert_eq!(check("fn f() { of(Param::save_often) }", true), 1);
        assert_eq!(check("fn f() { config.save_oftener }", false), 1);
        assert_eq!(check("fn f() { config.save_oftener }", true), 0);
        assert_eq!(check("#[cfg(test)]\nmod tests { fn f() { config.save_often } }", false), 1);
    }
}
