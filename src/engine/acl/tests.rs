//! Rules and what they lead to.

use super::*;
use crate::engine::protocol::Argv;
use crate::engine::spec::{Categories, KeyFlags};
use proptest::prelude::*;

const GET: u16 = 0;
const SET: u16 = 1;
const CONFIG: u16 = 2;
const CONFIG_SET: u16 = 4;
const SELECT: u16 = 5;

/// A handful of commands: two with keys, a container, one without either.
fn catalog() -> Catalog {
    let named = |name: &str, categories, children: &[u16], is_child| Named {
        name: name.into(),
        categories,
        children: children.into(),
        is_child,
    };
    Catalog::new(
        [
            named("get", Categories::READ | Categories::STRING, &[], false),
            named("set", Categories::WRITE | Categories::STRING, &[], false),
            named("config", Categories::SLOW, &[3, 4], false),
            named("config|get", Categories::ADMIN, &[], true),
            named("config|set", Categories::ADMIN, &[], true),
            named("select", Categories::FAST, &[], false),
        ]
        .into_iter(),
    )
}

fn user(rules: &[&str]) -> Result<User, RuleError> {
    let catalog = catalog();
    let mut user = User::new(b"u", &catalog);
    for rule in rules {
        user.apply(rule.as_bytes(), &catalog)?;
    }
    Ok(user)
}

fn described(rules: &[&str]) -> String {
    String::from_utf8(user(rules).expect("rules").describe()).expect("text")
}

fn check(user: &User, command: u16, call: &str, keys: &[CallKey]) -> Result<(), Denied> {
    let argv = Argv::of(call.split(' ').map(str::as_bytes));
    user.check(&Demand { command, open: false, args: argv.args(), keys, channels: None })
}

fn key(index: usize, flags: KeyFlags) -> CallKey {
    CallKey { index, flags }
}

const READ: KeyFlags = KeyFlags::RO.or(KeyFlags::ACCESS);
const WRITE: KeyFlags = KeyFlags::OW.or(KeyFlags::UPDATE);
const NO_COMMAND: Result<(), Denied> = Err(Denied { reason: Reason::Command, index: 0 });

#[test]
fn rules_are_shown_as_redis_shows_them() {
    let off = "off sanitize-payload ";
    let cases: &[(&[&str], &str)] = &[
        (&[], "resetchannels -@all"),
        (&["~*", "&*", "+@all"], "~* &* +@all"),
        (&["%R~a", "%W~a", "%R~b", "%w~c"], "~a %R~b %W~c resetchannels -@all"),
        (&["&a", "&b", "&a"], "resetchannels &a &b -@all"),
        (&["+@all", "-@STRING", "+Get"], "resetchannels +@all -@string +get"),
        (&["+config|get", "+config"], "resetchannels -@all +config"),
        (&["+select|A", "+SELECT|a"], "resetchannels -@all +select|a"),
        (
            &["-@string", "+@string", "+config", "-config|set"],
            "resetchannels -@all +@string +config -config|set",
        ),
        (
            &["+get", "(+set ~a)", "( ~b )"],
            "resetchannels -@all +get (~a resetchannels -@all +set) (~b resetchannels -@all)",
        ),
    ];
    for (rules, shown) in cases {
        assert_eq!(described(rules), format!("{off}{shown}"), "{rules:?}");
    }
    assert_eq!(
        described(&["on", "nopass", "skip-sanitize-payload"]),
        "on nopass skip-sanitize-payload resetchannels -@all"
    );
    assert_eq!(described(&["+@all", "~a", "(+get)", "reset"]), described(&[]));
}

#[test]
fn wrong_rules_are_refused() {
    let cases: &[(&[&str], RuleError)] = &[
        (&["nonsense"], RuleError::Syntax),
        (&["~a b"], RuleError::Syntax),
        (&["%~a"], RuleError::Syntax),
        (&["%RR~a"], RuleError::Syntax),
        (&["%R"], RuleError::Syntax),
        (&["(+get"], RuleError::Syntax),
        (&["(~a) +get)"], RuleError::Syntax),
        (&["(on)"], RuleError::Syntax),
        (&["+select|"], RuleError::Syntax),
        (&["+select|a b"], RuleError::Syntax),
        (&["+nope"], RuleError::Unknown),
        (&["+@nope"], RuleError::Unknown),
        (&["-select|0"], RuleError::Unknown),
        (&["+config|nope"], RuleError::Unknown),
        (&["+config|get|dir"], RuleError::FirstArgOfSubcommand),
        (&["~*", "~a"], RuleError::AllKeys),
        (&["&*", "&a"], RuleError::AllChannels),
        (&["<a"], RuleError::NoSuchPassword),
        (&["#abc"], RuleError::BadHash),
    ];
    for (rules, why) in cases {
        assert_eq!(user(rules), Err(*why), "{rules:?}");
    }
}

#[test]
fn commands_are_allowed_by_name_category_and_first_argument() {
    let some = user(&["~*", "+@string", "-set", "+config|get", "+select|0"]).expect("rules");
    assert_eq!(check(&some, GET, "get k", &[key(1, READ)]), Ok(()));
    assert_eq!(check(&some, SET, "set k v", &[key(1, WRITE)]), NO_COMMAND);
    assert_eq!(check(&some, CONFIG, "config", &[]), NO_COMMAND);
    assert_eq!(check(&some, CONFIG_SET, "config set a b", &[]), NO_COMMAND);
    assert_eq!(check(&some, SELECT, "select 0", &[]), Ok(()));
    assert_eq!(check(&some, SELECT, "select 1", &[]), NO_COMMAND);
    assert_eq!(check(&some, SELECT, "select", &[]), NO_COMMAND);
    let most = user(&["allcommands", "-config"]).expect("rules");
    assert!(!most.is_unrestricted());
    assert_eq!(check(&most, CONFIG_SET, "config set a b", &[]), NO_COMMAND);
}

#[test]
fn keys_are_read_and_written_by_right() {
    let some = user(&["allcommands", "%R~r*", "%W~w*", "~rw"]).expect("rules");
    let at = |index| Err(Denied { reason: Reason::Key, index });
    assert_eq!(check(&some, GET, "get r", &[key(1, READ)]), Ok(()));
    assert_eq!(check(&some, GET, "get w", &[key(1, READ)]), at(1));
    assert_eq!(check(&some, SET, "set w v", &[key(1, WRITE)]), Ok(()));
    assert_eq!(check(&some, SET, "set r v", &[key(1, WRITE)]), at(1));
    assert_eq!(check(&some, SET, "set rw v", &[key(1, READ | WRITE)]), Ok(()));
    // Whether a key is there may be asked with any right to it.
    assert_eq!(check(&some, GET, "exists w", &[key(1, KeyFlags::RO)]), Ok(()));
    assert_eq!(check(&some, GET, "exists x", &[key(1, KeyFlags::RO)]), at(1));
}

#[test]
fn one_selector_must_allow_all_of_a_call() {
    let some = user(&["(%R~r* +@all)", "(%W~w* +@all)"]).expect("rules");
    let (from, to) = (key(1, READ), key(2, WRITE));
    assert_eq!(check(&some, GET, "get r", &[from]), Ok(()));
    // What the selector refuses that comes furthest is what is told.
    assert_eq!(check(&some, SET, "copy r w", &[from, to]), Err(Denied { reason: Reason::Key, index: 2 }));
}

#[test]
fn a_pattern_of_channels_must_be_allowed_as_it_is() {
    let some = user(&["&a*", "(&b)"]).expect("rules");
    assert!(some.may_hear(b"abc", false) && some.may_hear(b"b", false) && some.may_hear(b"a*", true));
    assert!(!some.may_hear(b"abc*", true) && !some.may_hear(b"c", false));
}

#[test]
fn passwords_are_hashed() {
    let mut some = user(&["on", ">a", ">b", ">a"]).expect("rules");
    assert_eq!(some.passwords().len(), 2);
    assert!(some.accepts(b"a") && some.accepts(b"b") && !some.accepts(b"c") && !some.accepts(b""));
    let hash = String::from_utf8_lossy(&some.passwords()[0]).into_owned();
    for rule in [format!("!{hash}"), format!("#{hash}"), "<b".into()] {
        some.apply(rule.as_bytes(), &catalog()).expect("a rule");
    }
    assert!(some.accepts(b"a") && !some.accepts(b"b"));
    some.apply(b"off", &catalog()).expect("a rule");
    assert!(!some.accepts(b"a"));
    let open = user(&["on", ">a", "nopass"]).expect("rules");
    assert!(open.accepts(b"whatever") && open.passwords().is_empty());
}

#[test]
fn selectors_are_put_together() {
    let merge = |text: &str| {
        let merged = merge_selectors(text.split(' ').map(str::as_bytes));
        merged.map(|rules| {
            rules.iter().map(|rule| String::from_utf8_lossy(rule).into_owned()).collect::<Vec<_>>()
        })
    };
    assert_eq!(
        merge("on (~a +get) (+set ) () off"),
        Ok(vec!["on".into(), "(~a +get)".into(), "(+set )".into(), "()".into(), "off".into()])
    );
    assert_eq!(merge("on (~a +get"), Err(1));
    assert_eq!(merge("( ~a ) ("), Err(3));
}

#[test]
fn a_file_is_right_as_a_whole() {
    let text = b"# people\n\nuser a on ~x +get\n  user b (+get ~y) ( +set ~z )  \n";
    let users = parse_file(text, "f", &catalog()).expect("a file");
    let mut acl = Acl::new(catalog());
    users.into_iter().for_each(|user| {
        acl.set(user);
    });
    let again = parse_file(&acl.file(), "f", &catalog()).expect("what was written");
    assert_eq!(again.iter().collect::<Vec<_>>(), acl.iter().map(|(_, user)| user).collect::<Vec<_>>());
    let cases = [
        ("user a\nuser a on", "WARNING: Duplicate user 'a' found on line 2. "),
        ("foo b", "f:1 should start with user keyword followed by the username. "),
        ("user", "f:1 should start with user keyword followed by the username. "),
        ("user a (+get", "f:1: Unmatched parenthesis in selector definition. "),
        (
            "\nuser a +nope",
            "f:2: Error in applying operation '+nope': Unknown command or category name in ACL. ",
        ),
    ];
    let end = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
    for (text, why) in cases {
        assert_eq!(parse_file(text.as_bytes(), "f", &catalog()), Err(format!("{why}{end}")));
    }
}

#[test]
fn the_number_of_a_user_that_is_gone_names_the_next() {
    let mut acl = Acl::new(catalog());
    let a = acl.set(User::new(b"a", &acl.catalog));
    let b = acl.set(User::new(b"b", &acl.catalog));
    assert_eq!((acl.remove(b"a"), acl.remove(b"a"), acl.find(b"b")), (Some(a), None, Some(b)));
    assert_eq!(acl.set(User::new(b"c", &acl.catalog)), a);
    assert_eq!(acl.iter().map(|(_, user)| user.name()).collect::<Vec<_>>(), [&b"b"[..], b"c", b"default"]);
    // Nothing is left of those at the end.
    assert_eq!((acl.remove(b"c"), acl.remove(b"b")), (Some(a), Some(b)));
    assert_eq!(acl.users.len(), 2);
}

#[test]
fn the_same_refusal_within_a_minute_is_counted() {
    let event = |object: &str| Event {
        reason: Reason::Key,
        context: Context::Toplevel,
        object: object.into(),
        user: b"u".to_vec(),
    };
    let mut log = Log::default();
    log.add(event("a"), "1".into(), 0, 128);
    log.add(event("b"), "2".into(), 1, 128);
    log.add(event("a"), "3".into(), 60_000, 128);
    let seen = |log: &Log| {
        log.iter().map(|e| (e.id, e.count, e.client.clone(), e.created, e.updated)).collect::<Vec<_>>()
    };
    assert_eq!(seen(&log), [(0, 2, "3".into(), 0, 60_000), (1, 1, "2".into(), 1, 1)]);
    log.add(event("a"), "4".into(), 120_001, 2);
    assert_eq!(seen(&log)[..], [(2, 1, "4".into(), 120_001, 120_001), (0, 2, "3".into(), 0, 60_000)]);
    log.add(event("c"), "5".into(), 0, 0);
    assert_eq!(seen(&log), []);
}

/// A rule about commands, keys or channels.
fn rule() -> impl Strategy<Value = String> {
    let words = [
        "+@all",
        "-@all",
        "+@string",
        "-@string",
        "-@slow",
        "+@admin",
        "+get",
        "-get",
        "+set",
        "+config",
        "-config",
        "+config|get",
        "-config|set",
        "+select|0",
        "+select|x",
        "-select",
        "~a",
        "%R~a",
        "%W~a*",
        "%RW~[b]",
        "~*",
        "allkeys",
        "resetkeys",
        "&a",
        "&b*",
        "&*",
        "resetchannels",
        "~\"q",
        "&'",
    ];
    prop_oneof![4 => prop::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => "[~&%+-][ -~]{0,4}"]
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    let selector = prop::collection::vec(rule(), 0..5).prop_map(|rules| format!("({})", rules.join(" ")));
    let words = [
        "on",
        "off",
        "nopass",
        "resetpass",
        ">p",
        ">q",
        "<p",
        "skip-sanitize-payload",
        "reset",
        "clearselectors",
    ];
    let rule = prop_oneof![4 => rule(), 1 => selector, 1 => prop::sample::select(words.to_vec()).prop_map(str::to_owned)];
    prop::collection::vec(rule, 0..20)
}

proptest! {
    /// What a user says of itself makes the same user, in a list, in a file and in a configuration.
    #[test]
    fn a_user_can_be_made_again(rules in rules(), all_channels: bool) {
        let mut catalog = catalog();
        catalog.all_channels = all_channels;
        let mut user = User::new(b"u", &catalog);
        for rule in &rules {
            // Those that make no sense change nothing.
            let before = user.clone();
            if user.apply(rule.as_bytes(), &catalog).is_err() {
                prop_assert_eq!(&user, &before, "{}", rule);
            }
        }
        let mut acl = Acl::new(catalog.clone());
        acl.set(user.clone());
        let again = parse_file(&acl.file(), "f", &catalog).expect("what was written");
        prop_assert_eq!(again.iter().find(|again| again.name() == b"u"), Some(&user));
        let lines = acl.config_lines();
        let words = crate::engine::text::split::split_args(&lines[1]).expect("words");
        let mut configured = User::new(&words[0], &catalog);
        for rule in merge_selectors(words[1..].iter().map(Vec::as_slice)).expect("selectors") {
            configured.apply(&rule, &catalog).expect("a rule");
        }
        prop_assert_eq!(configured, user);
    }

    /// Any bytes are a rule or none.
    #[test]
    fn nonsense_is_refused(rules in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..8)) {
        let catalog = catalog();
        let mut user = User::new(b"u", &catalog);
        for rule in merge_selectors(rules.iter().map(Vec::as_slice)).unwrap_or_default() {
            let _ = user.apply(&rule, &catalog);
        }
        let _ = parse_file(&rules.concat(), "f", &catalog);
        prop_assert!(!user.describe().is_empty());
    }
}
