//! What the debugger says, as Redis 8.10 says it.

use super::Debugger;

fn said(debugger: &mut Debugger) -> Vec<String> {
    debugger.take_log().into_iter().map(|line| String::from_utf8_lossy(&line).into_owned()).collect()
}

fn stopped(script: &str, line: usize) -> Debugger {
    let mut debugger = Debugger::new(script.as_bytes());
    assert!(debugger.arrives(line));
    debugger.take_log();
    debugger
}

#[test]
fn lines_are_those_of_the_script_without_empty_ones_at_its_end() {
    let mut debugger = Debugger::new(b"local a\r\n\nreturn a\n\r\n");
    assert!(debugger.arrives(3));
    assert_eq!(said(&mut debugger), ["* Stopped at 3, stop reason = step over", "-> 3   return a"]);
    debugger.list(1, i64::MAX);
    assert_eq!(said(&mut debugger), ["   1   local a\r", "   2   ", "-> 3   return a"]);
    let mut empty = Debugger::new(b"");
    assert!(empty.arrives(1));
    assert_eq!(said(&mut empty)[1], "-> 1   <out of range source code line>");
}

#[test]
fn it_stops_for_a_reason() {
    let mut debugger = stopped("a\nb\nc", 1);
    assert!(!debugger.arrives(2));
    debugger.change_breakpoints([&b"2"[..]].into_iter());
    debugger.take_log();
    assert!(debugger.arrives(2));
    assert_eq!(said(&mut debugger), ["* Stopped at 2, stop reason = break point", "->#2   b"]);
    (debugger.breaks, debugger.steps) = (true, true);
    assert!(debugger.arrives(3) && !debugger.arrives(3));
    assert_eq!(said(&mut debugger)[0], "* Stopped at 3, stop reason = redis.breakpoint() called");
    debugger.late = true;
    assert!(debugger.arrives(1));
    assert_eq!(said(&mut debugger)[0], "* Stopped at 1, stop reason = timeout reached, infinite loop?");
    debugger.hang_up();
    (debugger.late, debugger.breaks) = (false, true);
    assert!(!debugger.arrives(2));
}

#[test]
fn breakpoints_come_and_go() {
    let mut debugger = stopped("a\nb\nc", 1);
    let mut change = |args: &[&str]| {
        debugger.change_breakpoints(args.iter().map(|arg| arg.as_bytes()));
        said(&mut debugger)
    };
    assert_eq!(change(&[]), ["No breakpoints set. Use 'b <line>' to add one."]);
    assert_eq!(change(&["2"]), ["-> 1   a", "  #2   b", "   3   c"]);
    assert_eq!(
        change(&["2", "4", "x"]),
        ["Wrong line number.", "Wrong line number.", "Invalid argument:'x'"]
    );
    assert_eq!(change(&["9223372036854775807"]), ["Wrong line number."]);
    assert_eq!(
        change(&["1", "-2", "-2"])[2..],
        ["Breakpoint removed.", "No breakpoint in the specified line."]
    );
    assert_eq!(change(&["-9223372036854775808"]), ["No breakpoint in the specified line."]);
    assert_eq!(change(&[]), ["1 breakpoints set:", "->#1   a"]);
    assert_eq!(change(&["0"]), ["All breakpoints removed."]);
    let mut many = stopped(&"x\n".repeat(99), 1);
    (1..=64).for_each(|line| many.add_breakpoint(line));
    many.take_log();
    many.add_breakpoint(65);
    assert_eq!(said(&mut many), ["Too many breakpoints set."]);
}

#[test]
fn lists_are_around_a_line() {
    let mut debugger = stopped("a\nb\nc\nd\ne", 4);
    let mut list = |line: Option<&str>, context: Option<&str>| {
        debugger.list_at(line.map(str::as_bytes), context.map(str::as_bytes));
        said(&mut debugger).concat()
    };
    assert_eq!(list(None, Some("0")), "-> 4   d");
    assert_eq!(list(Some("0"), Some("1")), "   3   c-> 4   d   5   e");
    assert_eq!(list(Some("1"), Some("0")), "   1   a");
    assert_eq!(list(Some("1x"), Some("1y")), "   1   a   2   b");
    assert_eq!(list(Some("99"), Some("1")), "");
    assert_eq!(list(Some("1"), Some("-1")), "");
}

#[test]
fn what_is_long_is_cut_and_the_first_time_it_is_said_how_not_to() {
    let mut debugger = stopped("a", 1);
    debugger.tell_cut(vec![b'x'; 257]);
    let first = said(&mut debugger);
    assert_eq!(first[0], "x".repeat(256) + " ...");
    assert_eq!(first[1], "<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.");
    let mut change = |length: Option<&str>| {
        debugger.change_length(length.map(str::as_bytes));
        said(&mut debugger).concat()
    };
    assert_eq!(change(None), "<value> replies are truncated at 256 bytes.");
    assert_eq!(change(Some("5")), "<value> replies are truncated at 60 bytes.");
    assert_eq!(change(Some("-5")), "<value> replies are truncated at 60 bytes.");
    assert_eq!(change(Some("0")), "<value> replies are unlimited.");
    debugger.tell_cut(vec![b'x'; 300]);
    assert_eq!(said(&mut debugger), ["x".repeat(300)]);
    debugger.tell_cut(vec![b'x'; super::LONGEST + 1]);
    assert_eq!(debugger.take_log()[0].len(), super::LONGEST + 4);
}

#[test]
fn nothing_is_kept_beyond_what_anybody_reads() {
    let mut debugger = stopped("a", 1);
    (0..10_000).for_each(|_| debugger.tell(vec![b'x'; 1000]));
    assert!(debugger.bytes <= super::TOLD + 1000 + size_of::<Vec<u8>>());
    assert!(debugger.take_log().len() < 5000);
    debugger.tell("more");
    assert_eq!(said(&mut debugger), ["more"]);
}

#[test]
fn commands_and_errors_are_told() {
    let mut debugger = stopped("a", 1);
    let mut tell = |line: &str| {
        debugger.tell_command(line.split(' ').count(), line.split(' ').map(str::as_bytes));
        said(&mut debugger).concat()
    };
    assert_eq!(tell("get k"), "<redis> get k");
    assert_eq!(tell("1 2 3 4 5 6 7 8 9 10"), "<redis> 1 2 3 4 5 6 7 8 9 10");
    assert_eq!(tell("1 2 3 4 5 6 7 8 9 10 11"), "<redis> 1 2 3 4 5 6 7 8 9 10 ... (0 more)");
    debugger.tell_error(b"ERR Unknown Redis command called from script", true);
    debugger.tell_error(b"ERR mine", false);
    debugger.tell_error(b"OOM none", true);
    let errors =
        ["<error> Unknown Redis command called from script", "<error> -ERR mine", "<error> -OOM none"];
    assert_eq!(said(&mut debugger), errors);
}

#[test]
fn replies_are_shown() {
    let mut debugger = stopped("a", 1);
    let mut show = |reply: &str| {
        debugger.tell_reply(reply.as_bytes());
        said(&mut debugger).concat()
    };
    assert_eq!(show("+OK\r\n"), "<reply> \"+OK\"");
    assert_eq!(show("-ERR x\r\n"), "<reply> \"-ERR x\"");
    assert_eq!(show(":-1\r\n"), "<reply> -1");
    assert_eq!(show("$3\r\na\"b\r\n"), "<reply> \"a\\\"b\"");
    assert_eq!(show("$-1\r\n"), "<reply> NULL");
    assert_eq!(show("*-1\r\n"), "<reply> NULL");
    assert_eq!(show("*2\r\n*0\r\n:1\r\n"), "<reply> [[],1]");
    assert_eq!(show("~2\r\n:1\r\n:2\r\n"), "<reply> ~(1,2)");
    assert_eq!(show("%2\r\n+a\r\n_\r\n+b\r\n#t\r\n"), "<reply> {\"+a\" => (null),\"+b\" => #true}");
    assert_eq!(show(",1.5\r\n"), "<reply> (double) 1.5");
    assert_eq!(show("=5\r\ntxt:x\r\n"), "<reply> \"x\"");
    assert_eq!(show(""), "<reply> ");
    assert!(show("*1000000\r\n").starts_with("<reply> [,,,"));
}
