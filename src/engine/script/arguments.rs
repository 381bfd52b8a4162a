//! `KEYS` and `ARGV`, which most scripts only look into.
//!
//! Two new tables are a sixth of what a short script costs, so a run gets those of the last one if that one cannot have
//! done anything to them. Its text shows it: where a script names them only for an element that it gives the number of,
//! as in `KEYS[1]`, it may change that element, but it cannot get hold of the table, to hide something in it, let it grow,
//! or keep it.

use super::stack::Stack;
use crate::engine::protocol::Args;

const NAMES: [&str; 2] = ["KEYS", "ARGV"];
/// What leads to a global variable whose name is not in the text as such.
const INDIRECT: [&str; 4] = ["_G", "load", "getfenv", "setfenv"];
/// The most elements of a table that serves again.
const MOST: usize = 16;

/// The highest number of an element that the text of a script names, if elements are all that it names, and few.
pub fn reach(source: &[u8]) -> Option<usize> {
    let source = std::str::from_utf8(source).ok()?;
    if INDIRECT.iter().any(|name| source.contains(name)) {
        return None;
    }
    let mut highest = 0;
    for after in NAMES.iter().flat_map(|name| source.split(name).skip(1)) {
        let (digits, _) = after.strip_prefix('[')?.split_once(']')?;
        let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: usize = is_plain.then(|| digits.parse().ok())??;
        // What is below the first element would stay.
        if number == 0 {
            return None;
        }
        highest = highest.max(number);
    }
    (highest <= MOST).then_some(highest)
}

/// How the tables of the last run were left.
#[derive(Default)]
pub struct Given {
    /// The highest element that each may have, if it may serve again.
    used: [Option<usize>; 2],
}

impl Given {
    /// Lets a script find its keys and its other arguments. Their names are at the positions behind the globals; `reach` is
    /// that of the script's text.
    pub fn give(&mut self, stack: &mut Stack, globals: i32, args: Args, keys: usize, reach: Option<usize>) {
        let tables = [(args.first(keys), globals + 1), (args.from(keys), globals + 2)];
        let reach = reach.filter(|_| tables.iter().all(|(strings, _)| strings.len() <= MOST));
        let used = tables.map(|(strings, _)| strings.len()).map(|len| reach.map(|reach| reach.max(len)));
        let before = std::mem::replace(&mut self.used, used);
        for ((strings, name), before) in tables.into_iter().zip(before) {
            match before.filter(|_| reach.is_some()) {
                Some(before) => {
                    stack.push_named(globals, name);
                    fill(stack, strings, before);
                    stack.truncate(stack.len() - 1);
                }
                None => {
                    push(stack, strings);
                    stack.set_named(globals, name);
                }
            }
        }
    }
}

/// Pushes a table of strings.
pub fn push(stack: &mut Stack, strings: Args) {
    stack.push_table(strings.len(), 0);
    fill(stack, strings, 0);
}

/// Makes the strings all that the table on top has, if it has so many elements at most.
fn fill(stack: &mut Stack, strings: Args, before: usize) {
    let table = stack.len();
    for index in 0..before.max(strings.len()) {
        match strings.get(index) {
            Some(string) => stack.push_bytes(string),
            None => stack.push_nil(),
        }
        stack.set_element(table, index as i32 + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Interpreter;
    use super::super::tests::{options, run_in};
    use super::reach;
    use proptest::prelude::*;

    #[test]
    fn texts_that_only_name_elements() {
        for (text, highest) in [
            ("return 1", 0),
            ("return redis.call('INCR', KEYS[1])", 1),
            ("KEYS[2], ARGV[1] = ARGV[16], 2", 16),
            ("return MYKEYS[3]", 3),
        ] {
            assert_eq!(reach(text.as_bytes()), Some(highest), "{text}");
        }
        for text in [
            "return KEYS",
            "return #KEYS",
            "local t = ARGV",
            "return KEYS [1]",
            "return KEYS[i]",
            "return KEYS[]",
            "return KEYS[0]",
            "KEYS[00] = 1",
            "return KEYS[17]",
            "return KEYS[99999999999999999999]",
            "return KEYS[-1]",
            "return KEYS[1",
            "return KEYS[1] .. unpack(ARGV)",
            "return _G['KE' .. 'YS']",
            "return loadstring('return KE' .. 'YS')()",
            "setfenv(1, {})",
        ] {
            assert_eq!(reach(text.as_bytes()), None, "{text}");
        }
        assert_eq!(reach(b"return '\xff'"), None);
    }

    /// What may find, or leave, something in the tables.
    const SCRIPTS: [&str; 16] = [
        "return {tostring(KEYS[1]), tostring(KEYS[2]), tostring(KEYS[3]), tostring(ARGV[1]), tostring(ARGV[2])}",
        "return {tostring(KEYS[16]), tostring(ARGV[5])}",
        "return redis.call('GET', KEYS[1])",
        "KEYS[3] = 'left' ARGV[2] = {} ARGV[5] = 7 return 1",
        "KEYS[1] = nil return {ARGV[1]}",
        "KEYS[0] = 'left' ARGV[0] = 1 return {KEYS[1], ARGV[1]}",
        "return {tostring(KEYS[0]), tostring(ARGV[0])}",
        "ARGV[1], KEYS[16] = KEYS[1], 'far'",
        "return 2",
        "return {#KEYS, #ARGV, unpack(ARGV)}",
        "KEYS.hidden = 1 ARGV[100] = 2 return 3",
        "local all = {} for name, value in pairs(KEYS) do all[#all + 1] = name .. value end return all",
        "setmetatable(KEYS, {__index = function() return 'made up' end}) return KEYS[9]",
        "table.remove(ARGV) return {#ARGV, ARGV[1]}",
        "error(KEYS[1])",
        "return loadstring('KEYS[7] = 1 return KEYS.hidden')()",
    ];

    proptest! {
        #[test]
        fn no_run_sees_what_another_left(
            runs in prop::collection::vec((0..SCRIPTS.len(), 0usize..4, 0usize..20), 1..20),
        ) {
            let mut shared = Interpreter::new(options()).expect("it starts");
            for (script, keys, others) in runs {
                let args: Vec<String> = (0..keys + others).map(|at| format!("argument {at}")).collect();
                let mut fresh = Interpreter::new(options()).expect("it starts");
                let [seen, expected] =
                    [&mut shared, &mut fresh].map(|lua| run_in(lua, SCRIPTS[script], &args, keys));
                prop_assert_eq!(seen, expected);
            }
        }
    }
}
