//! A world as a page for a browser: one file that needs nothing else, with what happened as data in it and
//! the program that draws it (`page.js`).

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::world::film::{Film, Mark, Span};

/// What the page says above the drawing.
pub struct Head {
    pub title: String,
    /// `passed`, or how it failed.
    pub verdict: String,
    pub failed: bool,
    pub facts: String,
    /// The command that shows the world again.
    pub replay: String,
    /// What the check that failed says.
    pub explanation: String,
}

/// The page.
pub fn page(head: &Head, film: &Film) -> String {
    let fill = |page: String, place: &str, text: &str| page.replacen(place, text, 1);
    let page = include_str!("page.html").to_owned();
    let page = fill(page, "{{title}}", &escaped(&head.title));
    let page = fill(page, "{{style}}", include_str!("page.css"));
    let page = fill(page, "{{script}}", include_str!("page.js"));
    // Last, since what clients wrote may look like anything.
    fill(page, "{{film}}", &json(head, film))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// The lanes from above to below: faults, clients by number, the server, its disk.
fn lanes(film: &Film) -> Vec<&str> {
    let place = |lane: &str| {
        let kinds = ["faults", "client", "publisher", "subscriber", "server", "disk"];
        let (kind, number) = lane.split_once(' ').unwrap_or((lane, "0"));
        let kind = kinds.iter().position(|known| *known == kind).unwrap_or(4);
        (kind, number.parse::<usize>().unwrap_or(0))
    };
    let spans = film.spans.iter().map(|span| span.lane.as_str());
    let names: BTreeSet<&str> = spans.chain(film.marks.iter().map(|mark| mark.lane.as_str())).collect();
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_by_key(|name| place(name));
    names
}

fn json(head: &Head, film: &Film) -> String {
    let ends = film.spans.iter().map(|span| span.end_ns.or(span.gone_ns).unwrap_or(span.begin_ns));
    let end_ns = ends.chain(film.marks.iter().map(|mark| mark.at_ns + mark.lasts_ns)).max().unwrap_or(0);
    let mut out = String::from("{");
    for (name, text) in [
        ("title", &head.title),
        ("verdict", &head.verdict),
        ("facts", &head.facts),
        ("replay", &head.replay),
        ("explanation", &head.explanation),
    ] {
        _ = write!(out, "\"{name}\":{},", string(text));
    }
    _ = write!(out, "\"failed\":{},\"end\":{},", head.failed, seconds(end_ns.max(1)));
    _ = write!(out, "\"lanes\":{},", list(lanes(film).into_iter().map(string)));
    _ = write!(out, "\"ops\":{},", list(film.spans.iter().map(span)));
    _ = write!(out, "\"marks\":{}}}", list(film.marks.iter().map(mark)));
    out
}

fn span(span: &Span) -> String {
    format!(
        "{{\"lane\":{},\"session\":{},\"text\":{},\"keys\":{},\"begin\":{},\"end\":{},\"gone\":{},\"answered\":{},\
         \"reply\":{},\"offending\":{}}}",
        string(&span.lane),
        span.session,
        string(&span.text),
        list(span.keys.iter().map(|key| string(key))),
        seconds(span.begin_ns),
        optional(span.end_ns.map(seconds)),
        optional(span.gone_ns.map(seconds)),
        optional(span.answered_ns.map(seconds)),
        optional(span.reply.as_deref().map(string)),
        span.is_offending
    )
}

fn mark(mark: &Mark) -> String {
    format!(
        "{{\"lane\":{},\"kind\":{},\"text\":{},\"at\":{},\"lasts\":{}}}",
        string(&mark.lane),
        string(&mark.kind),
        string(&mark.text),
        seconds(mark.at_ns),
        seconds(mark.lasts_ns)
    )
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn optional(item: Option<String>) -> String {
    item.unwrap_or_else(|| "null".to_owned())
}

fn seconds(ns: u64) -> String {
    format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000)
}

/// A string of JSON that may stand in a page: nothing in it ends a script.
fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '<' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => _ = write!(out, "\\u{:04x}", character as u32),
            character => out.push(character),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_wrote_stays_text() {
        assert_eq!(string("a\"\\\n</script>\u{e4}"), "\"a\\\"\\\\\\u000a\\u003c/script>\u{e4}\"");
        let head = Head {
            title: "<b>".to_owned(),
            verdict: "passed".to_owned(),
            failed: false,
            facts: String::new(),
            replay: String::new(),
            explanation: String::new(),
        };
        let span =
            Span { lane: "client 0".to_owned(), text: "{{script}}</script>".to_owned(), ..Span::default() };
        let page = page(&head, &Film { spans: vec![span], marks: Vec::new() });
        assert!(page.contains("<title>&lt;b></title>"));
        assert!(page.contains("\"text\":\"{{script}}\\u003c/script>\""));
        assert_eq!(page.matches("</script>").count(), 2);
    }

    #[test]
    fn lanes_stand_in_the_order_of_their_kinds_and_numbers() {
        let span = |lane: &str| Span { lane: lane.to_owned(), ..Span::default() };
        let spans = ["subscriber 1", "disk", "client 10", "server", "client 2", "faults"].map(span).to_vec();
        let film = Film { spans, marks: Vec::new() };
        assert_eq!(lanes(&film), ["faults", "client 2", "client 10", "subscriber 1", "server", "disk"]);
    }
}
