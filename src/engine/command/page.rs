//! The reference page of all commands, docs/commands.md.

use super::{Command, GROUPS};
use crate::engine::spec::{Arg, ArgKind, Arity, Flags};

const INTRODUCTION: &str = "\
# Commands

This page is generated from the rows in `src/engine/command/`.

Each command is shown with its arguments: `[optional]`, `(one|of)`, `repeated ...`. *Since* is the version of
Redis or Valkey that brought it.
";

/// The text of the page.
pub fn reference_page() -> String {
    let mut rows: Vec<&Command> = GROUPS.iter().copied().flatten().copied().flatten().collect();
    let contains: Vec<&str> = rows.iter().filter_map(|row| row.parent).collect();
    let is_container = |row: &Command| row.arity == Arity::AtLeast(2) && contains.contains(&row.name);
    rows.retain(|row| !row.flags.has(Flags::HIDDEN) && !is_container(row));
    rows.sort_by_key(|row| (row.group, full_name(row)));
    let mut page = String::from(INTRODUCTION);
    let mut group = None;
    for row in rows {
        if group != Some(row.group) {
            group = Some(row.group);
            page += &format!(
                "\n## {}\n\n| command | since | cost | |\n|---|---|---|---|\n",
                capitalized(row.group.name())
            );
        }
        page += &line(row);
    }
    page
}

fn capitalized(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    first.to_uppercase() + rest
}

fn full_name(row: &Command) -> String {
    row.parent.map_or(row.name.to_owned(), |parent| format!("{parent} {}", row.name))
}

fn line(row: &Command) -> String {
    let syntax = [full_name(row), syntax(row.args)].join(" ");
    let syntax = syntax.trim_end().replace('|', "\\|");
    let summary = match row.deprecated {
        Some((since, instead)) => format!("{} Deprecated since {since}: {instead}.", row.summary),
        None => row.summary.to_owned(),
    };
    format!("| `{syntax}` | {} | {} | {summary} |\n", row.since, row.complexity.replace('|', "\\|"))
}

fn syntax(args: &[Arg]) -> String {
    args.iter().map(argument).collect::<Vec<_>>().join(" ")
}

fn argument(arg: &Arg) -> String {
    let name = if arg.shown.is_empty() { arg.name } else { arg.shown };
    let inner = match arg.kind {
        ArgKind::PureToken => arg.token.to_owned(),
        ArgKind::OneOf => {
            let choices: Vec<String> = arg.args.iter().map(argument).collect();
            format!("({})", choices.join("|"))
        }
        ArgKind::Block => syntax(arg.args),
        _ => name.to_owned(),
    };
    let has_keyword = !arg.token.is_empty() && arg.kind != ArgKind::PureToken;
    let once = if has_keyword { format!("{} {inner}", arg.token) } else { inner.clone() };
    let all = match (arg.multiple, arg.multiple_token) {
        (false, _) => once,
        (true, true) => format!("{once} [{once} ...]"),
        (true, false) => format!("{once} [{inner} ...]"),
    };
    if arg.optional { format!("[{all}]") } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::spec::{KEY, block, int, one_of, string, token};

    #[test]
    fn grammar_as_text() {
        const CONDITION: &[Arg] = &[token("nx", "NX"), string("value").token("IFEQ")];
        const PAIR: &[Arg] = &[KEY, string("value")];
        assert_eq!(syntax(&[KEY, one_of("c", CONDITION).optional()]), "key [(NX|IFEQ value)]");
        assert_eq!(syntax(&[block("data", PAIR).multiple()]), "key value [key value ...]");
        assert_eq!(syntax(&[int("count").token("COUNT").optional()]), "[COUNT count]");
        assert_eq!(syntax(&[KEY.token("KEYS").multiple()]), "KEYS key [key ...]");
        assert_eq!(syntax(&[KEY.token("GET").multiple_token()]), "GET key [GET key ...]");
    }
}
