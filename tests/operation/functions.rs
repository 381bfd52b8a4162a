//! Functions outlive the server, whatever file they are in. Scripts do not.

use super::server::Server;

const LIBRARY: &str = "#!lua name=counters\nredis.register_function('count', function(keys) return redis.call('INCR', keys[1]) end)";

#[test]
fn functions_are_found_again_in_each_kind_of_file() {
    // An RDB file; commands that followed an empty base; a base as an RDB file; a base of commands.
    for (arguments, order, done) in [
        (vec!["--save", ""], "SAVE", ""),
        (vec!["--appendonly", "yes", "--appendfsync", "always"], "PING", ""),
        (
            vec!["--appendonly", "yes", "--appendfsync", "always"],
            "BGREWRITEAOF",
            "rewrite finished successfully",
        ),
        (
            vec!["--appendonly", "yes", "--appendfsync", "always", "--aof-use-rdb-preamble", "no"],
            "BGREWRITEAOF",
            "rewrite finished successfully",
        ),
    ] {
        let mut server = Server::start(&arguments);
        let mut client = server.connect();
        assert_eq!(client.call(&["FUNCTION", "LOAD", LIBRARY]), "counters");
        assert_eq!(client.call(&["FCALL", "count", "1", "n"]), "1");
        let script = client.call(&["SCRIPT", "LOAD", "return 1"]);
        assert!(!client.call(&[order]).starts_with("ERR"), "{order}");
        if !done.is_empty() {
            server.wait_for(done);
        }
        server.kill();
        let server = Server::start_in(&server.directory, &arguments);
        let mut client = server.connect();
        assert_eq!(client.call(&["FCALL", "count", "1", "n"]), "2", "{arguments:?} {order}");
        assert!(client.call(&["FUNCTION", "LIST"]).contains("counters"));
        let answer = client.call(&["EVALSHA", &script, "0"]);
        assert!(answer.starts_with("NOSCRIPT "), "{answer}");
    }
}
