//! Rules of users: nothing panics, a wrong rule changes nothing, what a user says of itself makes it again, and whatever
//! it may do can be asked.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedis::engine::acl::{User, merge_selectors, parse_file};
use seedis::engine::command::permission;
use seedis::engine::config::Config;
use seedis::engine::protocol::Argv;
use seedis::engine::server::{Environment, Server};
use seedis_fuzz::DECLARED;

fuzz_target!(|data: &[u8]| {
    let mut server =
        Server::sharing(&DECLARED, Config::default(), Environment::bare(1)).expect("the defaults are fine");
    // The last line is a call; before it stands a rule each.
    let mut lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let call = lines.pop().unwrap_or_default();
    let catalog = &server.acl.catalog;
    let mut user = User::new(b"user", catalog);
    for rule in merge_selectors(lines.iter().copied()).unwrap_or_default() {
        let before = user.clone();
        if let Err(why) = user.apply(&rule, catalog) {
            assert!(!why.to_string().is_empty());
            assert_eq!(user, before);
        }
    }
    let line = [b"user user ", &user.describe()[..]].concat();
    assert_eq!(parse_file(&line, "file", catalog), Ok(vec![user.clone()]));
    // Any text is a file or none.
    let _ = parse_file(data, "file", catalog);

    let id = server.acl.set(user);
    let argv = Argv::of(call.split(|byte| *byte == b' '));
    if let Some(command) = server.commands.find(argv.args().at(0))
        && server.commands.entry(command).row.arity.accepts(argv.args().len())
    {
        let outcome = permission::check(&mut server, id, command, argv.args());
        if let Err(denied) = outcome {
            let why = permission::explain(&server, id, command, argv.args(), denied, true);
            assert!(why.starts_with(b"User "));
        }
    }
});
