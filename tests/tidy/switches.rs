//! Mutants, marks and rare choices of the simulator: they go by names, which must be those of the lists.

use super::source::Source;

/// A list and the calls that name its members.
pub struct Switch {
    /// The file that lists them: each as `("name", "what it is")`.
    pub list: &'static str,
    /// What stands before a name where it is used.
    pub used: &'static str,
}

/// All such lists.
pub const SWITCHES: [Switch; 3] = [
    Switch { list: "src/engine/mutant.rs", used: "is_on(\"" },
    Switch { list: "src/engine/mark.rs", used: "sometimes!(\"" },
    Switch { list: "src/engine/buggify.rs", used: "buggify!(\"" },
];

/// Complains about names that are used and not listed, listed and not used, or listed twice.
pub fn names(sources: &[Source], switch: &Switch) -> Vec<String> {
    let list = sources.iter().find(|source| source.path == switch.list);
    let mut listed: Vec<&str> = list.map_or(Vec::new(), |list| after(&list.text, "(\"").collect());
    let own = sources.iter().filter(|source| source.path.starts_with("src/") && source.path != switch.list);
    let used: Vec<&str> = own.flat_map(|source| after(&source.text, switch.used)).collect();
    // An area is followed by its members, in a list of their own.
    let areas = list.map_or(Vec::new(), |list| after(&list.text, "(\n        \"").collect());
    listed.retain(|name| !areas.contains(name));
    let mut complaints = Vec::new();
    for name in used.iter().filter(|name| !listed.contains(name)) {
        complaints.push(format!("{}: `{name}` is used and not listed", switch.list));
    }
    for (at, name) in listed.iter().enumerate() {
        if !used.contains(name) {
            complaints.push(format!("{}: `{name}` is listed and not used", switch.list));
        }
        if listed[..at].contains(name) {
            complaints.push(format!("{}: `{name}` is listed twice", switch.list));
        }
    }
    complaints
}

/// The strings that follow a text, up to their closing quotes.
fn after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(before).filter_map(move |(at, _)| text[at + before.len()..].split('"').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_do_not_meet_are_found() {
        let switch = Switch { list: "src/list.rs", used: "is_on(\"" };
        let check = |list: &str, code: &str| {
            let list = Source::new("src/list.rs", list);
            names(&[list, Source::new("src/code.rs", code)], &switch).len()
        };
        let one = "(\n        \"area\",\n    &[(\"a\", \"it\")])";
        assert_eq!(check(one, "is_on(\"a\")"), 0);
        assert_eq!(check(one, "is_on(\"b\")"), 2);
        assert_eq!(check("(\"a\", \"it\"), (\"a\", \"it\")", "is_on(\"a\")"), 1);
    }
}
