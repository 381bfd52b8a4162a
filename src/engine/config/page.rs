//! The reference page of all parameters, docs/config.md.

use super::row::{Flag, Row};
use super::{Config, TABLE};

const INTRODUCTION: &str = "\
# Configuration parameters

This page is generated from the tables in `src/engine/config/`.

Parameters stand in a configuration file as `name value`, follow the server's name as `--name value`, and are
read and set at run time with `CONFIG GET` and `CONFIG SET`. Amounts of memory take the units `k`, `m`, `g`
(thousands) and `kb`, `mb`, `gb` (1024s). Other directives of configuration files are `include`,
`rename-command`, `user`, `loadmodule` (which stops the start, but for the modules for JSON and search) and `sentinel`.

Under *set*: **start** means that only files and arguments set it; **protected** that CONFIG SET needs
`enable-protected-configs`; **hidden** that CONFIG GET shows it by its exact name only; **inert** that
it is kept and shown, so that files and tools of Redis find it, and changes nothing.
";

/// The text of the page.
pub fn reference_page() -> String {
    let usual = Config::default();
    let mut page = String::from(INTRODUCTION);
    let mut section = "";
    for row in TABLE {
        if row.section != section {
            section = row.section;
            page += &format!(
                "\n## {section}\n\n| parameter | default | values | set | |\n|---|---|---|---|---|\n"
            );
        }
        page += &line(row, &usual);
    }
    page
}

fn line(row: &Row, usual: &Config) -> String {
    let alias = row.alias.map(|alias| format!(" (`{alias}`)")).unwrap_or_default();
    let default = String::from_utf8_lossy(&row.show(usual)).into_owned();
    let default = if default.is_empty() { default } else { format!("`{default}`") };
    let values = (row.slot)(usual).describe(row.rule);
    let marks = [
        (Flag::Immutable, "start"),
        (Flag::Protected, "protected"),
        (Flag::Hidden, "hidden"),
        (Flag::Inert, "inert"),
    ];
    let marks: Vec<_> = marks.iter().filter(|(flag, _)| row.is(*flag)).map(|(_, mark)| *mark).collect();
    let marks = marks.join(", ");
    format!("| `{}`{alias} | {default} | {values} | {marks} | {} |\n", row.name, row.summary)
}
