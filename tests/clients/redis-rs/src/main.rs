//! redis-rs with its defaults, and over RESP3, does a session's work. The server listens on SEEDIS_PORT.

fn main() {
    println!("run it with cargo test");
}

#[cfg(test)]
mod tests {
    use redis::{Commands, Connection, ErrorKind, RedisResult, ServerErrorKind, Value, cmd, pipe};

    /// A connection to a database of the test's own, as tests run side by side.
    fn connection(database: u8, protocol: &str) -> Connection {
        let port = std::env::var("SEEDIS_PORT").expect("SEEDIS_PORT is set");
        let address = format!("redis://127.0.0.1:{port}/{database}{protocol}");
        let mut connection = redis::Client::open(address).unwrap().get_connection().unwrap();
        cmd("FLUSHDB").exec(&mut connection).unwrap();
        connection
    }

    fn both(database: u8, test: fn(Connection)) {
        test(connection(database, ""));
        test(connection(database, "?protocol=resp3"));
    }

    #[test]
    fn strings_and_keys() {
        both(4, |mut c| {
            let () = c.set("k", "v").unwrap();
            assert_eq!(c.get::<_, String>("k").unwrap(), "v");
            assert_eq!(c.get::<_, Option<String>>("missing").unwrap(), None);
            assert_eq!(c.append::<_, _, usize>("k", "w").unwrap(), 2);
            assert_eq!(c.incr::<_, _, i64>("n", 41).unwrap(), 41);
            assert_eq!(c.incr::<_, _, f64>("n", 0.5).unwrap(), 41.5);
            assert_eq!(c.mget::<_, Vec<Option<String>>>(&["k", "x"]).unwrap(), [Some("vw".to_owned()), None]);
            assert!(c.expire::<_, bool>("k", 100).unwrap());
            assert!((1..=100).contains(&c.ttl::<_, i64>("k").unwrap()));
            assert_eq!(c.del::<_, usize>(&["k", "n", "x"]).unwrap(), 2);
            let error =
                c.set::<_, _, ()>("s", "text").and_then(|()| c.incr::<_, _, i64>("s", 1)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Server(ServerErrorKind::ResponseError));
            assert!(error.to_string().contains("not an integer"), "{error}");
        });
    }

    #[test]
    fn scanning_sees_every_key() {
        both(5, |mut c| {
            let names: Vec<_> = (0..500).map(|i| (format!("key:{i}"), i)).collect();
            let () = c.mset(&names).unwrap();
            let mut seen: Vec<String> = c.scan_match("key:*").unwrap().collect::<RedisResult<_>>().unwrap();
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), 500);
        });
    }

    #[test]
    fn pipelines_and_transactions() {
        both(6, |mut c| {
            let mut pipeline = pipe();
            for i in 0..1000 {
                pipeline.set(i, i).ignore().get(i);
            }
            assert_eq!(pipeline.query::<Vec<i64>>(&mut c).unwrap(), (0..1000).collect::<Vec<_>>());
            let (a, b): (i64, i64) = pipe().atomic().incr("n", 1).incr("n", 1).query(&mut c).unwrap();
            assert_eq!((a, b), (1, 2));
            let total: (i64,) = redis::transaction(&mut c, &["n"], |c, pipe| {
                let n: i64 = c.get("n")?;
                pipe.set("n", n * 10).ignore().get("n").query(c)
            })
            .unwrap();
            assert_eq!(total.0, 20);
        });
    }

    #[test]
    fn messages_arrive() {
        let (mut listener, mut speaker) = (connection(7, ""), connection(7, ""));
        let mut pubsub = listener.as_pubsub();
        pubsub.subscribe("rs:news").unwrap();
        pubsub.psubscribe("rs:n*").unwrap();
        assert_eq!(speaker.publish::<_, _, i64>("rs:news", "hello").unwrap(), 2);
        for _ in 0..2 {
            assert_eq!(pubsub.get_message().unwrap().get_payload::<String>().unwrap(), "hello");
        }
    }

    #[test]
    fn introspection() {
        both(8, |mut c| {
            let info: String = cmd("INFO").arg("server").query(&mut c).unwrap();
            assert!(info.contains("redis_version:"));
            let config: std::collections::HashMap<String, String> =
                cmd("CONFIG").arg("GET").arg("maxmemory").query(&mut c).unwrap();
            assert!(config.contains_key("maxmemory"));
            let Value::Array(entry) = cmd("COMMAND").arg("INFO").arg("get").query::<Value>(&mut c).unwrap()
            else {
                panic!("an array");
            };
            assert_eq!(entry.len(), 1);
        });
    }
}
