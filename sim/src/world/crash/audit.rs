//! Reads all keys of all clients, to see what is there.

use std::io;

use seedis::runtime::net::Address;
use seedis::runtime::time;

use super::super::line::Line;
use super::clients::open;
use super::data::{Bytes, DATABASES, Data, Item, SHARED, Value};
use super::notes::Found;
use super::workload::{counter, number, words};
use crate::resp::Reply;

/// What there is of each client, whose keys these are. Nothing while the server still loads.
pub async fn audit(keys: &[Vec<Bytes>], to: &Address) -> io::Result<Option<Vec<Found>>> {
    let mut line = open(to).await?;
    if matches!(line.ask(&words("DBSIZE")).await?, Reply::Error(_)) {
        return Ok(None);
    }
    let mut found = Vec::new();
    for (client, own) in keys.iter().enumerate() {
        let mut data = Data::default();
        let from_ms = time::now().unix_ms();
        for database in 0..DATABASES {
            line.ask(&words(&format!("SELECT {}", number(client, database)))).await?;
            if database == SHARED {
                read(&mut line, database, &[counter(client)], &mut data).await?;
            } else {
                read(&mut line, database, own, &mut data).await?;
            }
        }
        found.push(Found { data, from_ms, until_ms: time::now().unix_ms() });
    }
    Ok(Some(found))
}

/// The command that reads a key, by its first letter.
fn reader(key: &Bytes) -> Vec<Bytes> {
    let pattern = match key[0] {
        b'l' => "LRANGE key 0 -1",
        b'h' => "HGETALL key",
        b'S' => "SMEMBERS key",
        b'z' => "ZRANGE key 0 -1 WITHSCORES",
        b'x' => "XRANGE key - +",
        _ => "GET key",
    };
    let words = words(pattern).into_iter();
    words.map(|word| if word == b"key" { key.clone() } else { word }).collect()
}

async fn read(line: &mut Line, database: usize, keys: &[Bytes], data: &mut Data) -> io::Result<()> {
    // What has no expiry needs not be asked for it, but the keys are few enough.
    let requests: Vec<Vec<Bytes>> =
        keys.iter().flat_map(|key| [reader(key), vec![b"PEXPIRETIME".to_vec(), key.clone()]]).collect();
    for (keys, requests) in keys.chunks(200).zip(requests.chunks(400)) {
        line.send(requests).await?;
        for key in keys {
            let (content, until) = (line.reply().await?, line.reply().await?);
            let until = match until {
                Reply::Int(at_ms) if at_ms >= 0 => Some(at_ms),
                _ => None,
            };
            if let Some(value) = value(key[0], content)? {
                data.put(database, key, Item { value, until });
            }
        }
    }
    Ok(())
}

fn value(kind: u8, content: Reply) -> io::Result<Option<Value>> {
    let unexpected = |what: &Reply| io::Error::new(io::ErrorKind::InvalidData, format!("{what:?} was read"));
    let items = match content {
        Reply::Null => return Ok(None),
        Reply::Bulk(text) => return Ok(Some(Value::Text(text))),
        Reply::Array(items) if items.is_empty() => return Ok(None),
        Reply::Array(items) => items,
        other => return Err(unexpected(&other)),
    };
    if kind == b'x' {
        let entry = |item: Reply| match item {
            Reply::Array(mut parts) if parts.len() == 2 => {
                let fields = parts.pop().map(texts).unwrap_or_default();
                (texts(Reply::Array(parts)).remove(0), fields)
            }
            other => (format!("{other:?}").into_bytes(), Vec::new()),
        };
        return Ok(Some(Value::Stream(items.into_iter().map(entry).collect())));
    }
    let items = texts(Reply::Array(items));
    let pairs = |items: Vec<Bytes>| -> Vec<(Bytes, Bytes)> {
        items.chunks(2).map(|pair| (pair[0].clone(), pair[pair.len() - 1].clone())).collect()
    };
    Ok(Some(match kind {
        b'l' => Value::List(items.into()),
        b'h' => Value::Hash(pairs(items).into_iter().collect()),
        b'S' => Value::Set(items.into_iter().collect()),
        _ => {
            let score = |text: Bytes| String::from_utf8_lossy(&text).parse().unwrap_or(i64::MIN);
            Value::Sorted(pairs(items).into_iter().map(|(member, text)| (member, score(text))).collect())
        }
    }))
}

fn texts(reply: Reply) -> Vec<Bytes> {
    match reply {
        Reply::Array(items) => items.into_iter().flat_map(texts).collect(),
        Reply::Bulk(text) | Reply::Status(text) | Reply::Error(text) => vec![text],
        Reply::Int(number) => vec![number.to_string().into_bytes()],
        Reply::Null | Reply::Push(_) => vec![Bytes::new()],
    }
}
