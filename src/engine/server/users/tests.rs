//! Users as clients meet them: declared, changed, removed, replaced.

use crate::engine::config::Config;
use crate::engine::loopback::Loopback;

fn configured(text: &str) -> Result<Loopback, String> {
    let mut config = Config::default();
    config
        .load(text.as_bytes(), Some("redis.conf"), &mut |_| Err("no files".into()))
        .expect("a configuration");
    Loopback::new(config, 1)
}

/// What comes back for inline commands.
fn ask(world: &mut Loopback, client: usize, line: &str) -> String {
    world.send(client, format!("{line}\r\n").as_bytes());
    String::from_utf8(world.take_heard(client)).expect("text")
}

#[test]
fn users_stand_in_the_configuration() {
    let text = "user default on nopass ~* +@all\nuser alice on >p (+get ~x) +acl|whoami\n";
    let mut world = configured(text).expect("users");
    let client = world.connect();
    assert!(ask(&mut world, client, "SUBSCRIBE c").starts_with("-NOPERM"));
    assert_eq!(ask(&mut world, client, "AUTH alice p"), "+OK\r\n");
    assert_eq!(ask(&mut world, client, "GET x"), "$-1\r\n");
    assert!(ask(&mut world, client, "GET y").starts_with("-NOPERM"));
    // What is written back is what was read.
    let (server, old) = (&world.server, text.as_bytes());
    let rewritten = server.config.rewrite(old, &server.acl.config_lines(), false);
    let rewritten = String::from_utf8(rewritten).expect("text");
    assert!(rewritten.contains("user alice on sanitize-payload #148de9c5"), "{rewritten}");
    let again = configured(&rewritten).expect("users");
    assert_eq!(again.server.acl.lines(), server.acl.lines());
}

#[test]
fn wrong_users_keep_a_server_from_starting() {
    let cases = [
        (
            "user alice on nope",
            "at line 1 of redis.conf\n>>> 'user alice on nope'\nError in user declaration 'nope': Syntax error",
        ),
        ("user alice on +nope", "Error loading ACL rule '+nope' for the user named 'alice': Unknown command"),
        ("user alice (+get", "Unmatched parenthesis"),
        ("user alice on\nuser alice off", "Error in user declaration 'alice': Duplicate user found."),
        ("user \"a b\" on", "Usernames can't contain spaces"),
        ("aclfile f\nuser alice on", "define either an ACL file or declare users"),
    ];
    for (text, why) in cases {
        let refused = configured(text).err().unwrap_or_default();
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn a_password_of_the_configuration_is_overruled_by_rules() {
    let mut world = configured("requirepass p\n").expect("users");
    let client = world.connect();
    assert!(ask(&mut world, client, "PING").starts_with("-NOAUTH"));
    assert_eq!(ask(&mut world, client, "AUTH p"), "+OK\r\n");
    assert_eq!(ask(&mut world, client, "ACL SETUSER default nopass"), "+OK\r\n");
    assert_eq!(ask(&mut world, client, "CONFIG SET requirepass p"), "+OK\r\n");
    let other = world.connect();
    assert_eq!(ask(&mut world, other, "PING"), "+PONG\r\n");
    let mut world = configured("requirepass p\nuser default on nopass ~* &* +@all\n").expect("users");
    let client = world.connect();
    assert_eq!(ask(&mut world, client, "PING"), "+PONG\r\n");
}

#[test]
fn clients_go_with_their_users_and_their_rights() {
    let mut world = configured("").expect("users");
    let (admin, listener, caller) = (world.connect(), world.connect(), world.connect());
    ask(&mut world, admin, "ACL SETUSER alice on nopass &* ~* +@all");
    for client in [listener, caller] {
        ask(&mut world, client, "HELLO 3 AUTH alice x");
    }
    ask(&mut world, listener, "PSUBSCRIBE a*");
    assert_eq!(ask(&mut world, caller, "ACL SETUSER alice resetchannels &b &a*"), "+OK\r\n");
    assert!(world.is_open(listener));
    ask(&mut world, caller, "SSUBSCRIBE b");
    // A listener is cut off, the caller gets its reply first.
    assert_eq!(ask(&mut world, caller, "ACL SETUSER alice resetchannels"), "+OK\r\n");
    assert!(!world.is_open(listener) && !world.is_open(caller));
    let blocked = world.connect();
    ask(&mut world, blocked, "AUTH alice x");
    ask(&mut world, blocked, "BLPOP l 0");
    assert_eq!(ask(&mut world, admin, "ACL DELUSER alice"), ":1\r\n");
    assert!(!world.is_open(blocked) && world.is_open(admin));
    assert_eq!(ask(&mut world, admin, "LPUSH l x"), ":1\r\n");
    assert_eq!(ask(&mut world, admin, "LLEN l"), ":1\r\n");
}

#[test]
fn a_file_replaces_all_users_or_none() {
    let mut world = configured("").expect("users");
    let (admin, alice, bob) = (world.connect(), world.connect(), world.connect());
    ask(&mut world, admin, "ACL SETUSER alice on nopass &* ~* +@all");
    ask(&mut world, admin, "ACL SETUSER bob on nopass &* ~* +@all");
    ask(&mut world, alice, "AUTH alice x");
    ask(&mut world, alice, "SUBSCRIBE a");
    ask(&mut world, bob, "AUTH bob x");
    let before = world.server.acl.lines();
    assert!(world.server.load_users(b"user alice on\nuser carol +nope\n", "f").is_err());
    assert_eq!(world.server.acl.lines(), before);
    assert_eq!(
        world.server.load_users(b"user carol on nopass +ping\nuser alice on nopass &a\n", "f"),
        Ok(())
    );
    // An empty line has everything happen that follows.
    ask(&mut world, admin, "");
    assert!(world.is_open(alice) && !world.is_open(bob));
    let carol = world.connect();
    ask(&mut world, carol, "AUTH carol x");
    assert_eq!(ask(&mut world, carol, "PING"), "+PONG\r\n");
    assert!(ask(&mut world, carol, "GET x").starts_with("-NOPERM"));
    // Whom the file does not name is as new.
    let line = b"default on nopass sanitize-payload ~* &* +@all".to_vec();
    assert!(world.server.acl.lines().contains(&line));
    assert_eq!(world.server.load_users(b"user alice on nopass &b\n", "f"), Ok(()));
    ask(&mut world, admin, "");
    assert!(!world.is_open(alice) && !world.is_open(carol));
}

#[test]
fn what_scripts_were_refused_is_told_of_their_client() {
    let mut world = configured("user alice on nopass ~mine +eval +set +multi +exec\n").expect("users");
    let alice = world.connect();
    ask(&mut world, alice, "AUTH alice x");
    for line in ["EVAL \"return redis.pcall('SET', 'yours', '1')\" 0", "EVAL \"redis.call('GET', 'mine')\" 0"]
    {
        world.send(alice, b"MULTI\r\n");
        world.send(alice, format!("{line}\r\nEXEC\r\n").as_bytes());
    }
    let log: Vec<_> = world.server.acl.log.iter().collect();
    assert_eq!(log.len(), 2);
    for entry in log {
        assert_eq!(entry.event.context.name(), "lua");
        let client = &entry.client;
        assert!(client.contains(" addr=127.0.0.1:") && client.contains(" user=alice "), "{client}");
    }
}

#[test]
fn what_was_refused_is_logged_and_counted() {
    let mut world = configured("user alice on >p ~a +@all -get\n").expect("users");
    let (admin, alice) = (world.connect(), world.connect());
    assert!(ask(&mut world, alice, "HELLO 2 AUTH alice q").starts_with("-WRONGPASS"));
    ask(&mut world, alice, "AUTH alice p");
    for line in ["GET a", "SET b v", "GET a", "MULTI", "SUBSCRIBE c", "DISCARD"] {
        ask(&mut world, alice, line);
    }
    let log: Vec<String> = (world.server.acl.log.iter())
        .map(|entry| {
            let (event, text) = (&entry.event, |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned());
            let (reason, context) = (event.reason.name(), event.context.name());
            format!(
                "{} {} {reason} {context} {} {}",
                entry.id,
                entry.count,
                text(&event.object),
                text(&event.user)
            )
        })
        .collect();
    assert_eq!(
        log,
        [
            "3 1 channel multi c alice",
            "1 2 command toplevel get alice",
            "2 1 key toplevel b alice",
            "0 1 auth toplevel HELLO alice"
        ]
    );
    assert!(world.server.acl.log.iter().all(|entry| entry.client.contains("id=2")));
    let info = ask(&mut world, admin, "INFO stats");
    for (what, count) in [("auth", 1), ("cmd", 2), ("key", 1), ("channel", 1)] {
        assert!(info.contains(&format!("acl_access_denied_{what}:{count}\r\n")), "{info}");
    }
}
