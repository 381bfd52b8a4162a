//! A pattern of keys or channels, most of which are a prefix and a star: those need no matching.

use crate::engine::text::glob;

/// What has to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// All of it must be there as it is.
    Exact,
    /// All before the star at its end.
    Prefix,
    /// It takes a glob's rules.
    Glob,
}

/// A glob-style pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Vec<u8>,
    kind: Kind,
}

impl Pattern {
    /// The pattern that reads so.
    pub fn new(text: &[u8]) -> Self {
        let is_plain = |text: &[u8]| !text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'));
        let kind = match text {
            text if is_plain(text) => Kind::Exact,
            [prefix @ .., b'*'] if is_plain(prefix) => Kind::Prefix,
            _ => Kind::Glob,
        };
        Pattern { text: text.to_vec(), kind }
    }
    /// How it reads.
    pub fn text(&self) -> &[u8] {
        &self.text
    }
    /// Whether it fits a key or channel.
    #[inline]
    pub fn matches(&self, text: &[u8]) -> bool {
        match self.kind {
            Kind::Exact => self.text == text,
            Kind::Prefix => text.starts_with(&self.text[..self.text.len() - 1]),
            Kind::Glob => glob::matches(&self.text, text, false),
        }
    }
}
