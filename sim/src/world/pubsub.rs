//! Publishers and subscribers, and what must hold between them.
//!
//! A server that does one thing at a time has one order of messages. So: nobody receives what nobody
//! published, or anything twice; two subscribers agree on the order of what both received; and a message
//! that was published while a subscription held, on a connection that held, is not lost.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use madsim::runtime::NodeHandle;
use seedis::runtime::net::Address;
use seedis::runtime::time;

use super::client::{Connection, Seat};
use super::film;
use super::recorder::Recorder;
use crate::resp::Reply;
use crate::scenario::{CHANNELS, Listen, Message, Publisher};

/// All that was published and received.
#[derive(Clone, Debug, Default)]
pub struct PubSub {
    published: Vec<Published>,
    subscriptions: Vec<Subscription>,
}

#[derive(Clone, Debug)]
struct Published {
    channel: String,
    message: String,
    invoked_ns: u64,
    returned_ns: Option<u64>,
}

/// One connection that listens to one channel.
#[derive(Clone, Debug)]
struct Subscription {
    session: u32,
    channel: String,
    confirmed_ns: u64,
    received: Vec<String>,
    /// The connection is known to have held until then.
    held_ns: Option<u64>,
}

impl PubSub {
    /// How many messages were received.
    pub fn messages(&self) -> usize {
        self.subscriptions.iter().map(|subscription| subscription.received.len()).sum()
    }
}

/// Starts a publisher on its node.
pub fn start_publisher(
    node: &NodeHandle,
    number: usize,
    script: &Publisher,
    address: Address,
    recorder: &Arc<Recorder>,
) -> Seat {
    let name = format!("publisher {number}");
    let (script, recorder, who) = (script.clone(), recorder.clone(), name.clone());
    Seat::new(name, node, async move { publish(&who, &script, &address, &recorder).await })
}

/// Starts a subscriber on its node.
pub fn start_subscriber(
    node: &NodeHandle,
    number: usize,
    script: &[Listen],
    address: Address,
    recorder: &Arc<Recorder>,
) -> Seat {
    let name = format!("subscriber {number}");
    let (script, recorder, who) = (script.to_vec(), recorder.clone(), name.clone());
    Seat::new(name, node, async move { subscribe(&who, &script, &address, &recorder).await })
}

async fn publish(who: &str, script: &Publisher, address: &Address, recorder: &Arc<Recorder>) {
    let (mut troubled, mut peaceful) = (script.messages.iter(), script.peaceful.iter());
    loop {
        let Ok(mut connection) = Connection::open(address, recorder, who).await else {
            time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        loop {
            let peace = recorder.is_quiet();
            let next = if peace { peaceful.next() } else { troubled.next() };
            let Some(message) = next else {
                if peace && connection.loaded().await.is_ok() {
                    return;
                }
                if peace {
                    break;
                }
                time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            time::sleep(Duration::from_micros(message.after_us)).await;
            if !say(message, &mut connection, recorder).await {
                film::give_up(who, connection.session);
                break;
            }
        }
    }
}

/// Publishes a message. Returns whether the connection still holds.
async fn say(message: &Message, connection: &mut Connection, recorder: &Recorder) -> bool {
    let Message { channel, text, .. } = message;
    let film = film::begin(|| film::Span {
        lane: connection.whose.clone(),
        session: connection.session,
        text: format!("PUBLISH {channel} {text}"),
        keys: vec![channel.clone()],
        begin_ns: recorder.true_ns(),
        ..film::Span::default()
    });
    let mut place = 0;
    recorder.note_pubsub(|pubsub| {
        place = pubsub.published.len();
        pubsub.published.push(Published {
            channel: channel.clone(),
            message: text.clone(),
            invoked_ns: recorder.true_ns(),
            returned_ns: None,
        });
    });
    if connection.send(&[&["PUBLISH", channel, text]]).await.is_err() {
        return false;
    }
    match connection.reply().await {
        Ok(Reply::Int(receivers)) => {
            film::end(film, || receivers.to_string(), None);
            let now_ns = recorder.true_ns();
            recorder.note_pubsub(|pubsub| pubsub.published[place].returned_ns = Some(now_ns));
            true
        }
        Ok(other) => {
            recorder.complain(format!("PUBLISH is answered by {other:?}"));
            false
        }
        Err(_) => false,
    }
}

/// What a subscriber listens to, and where what it hears is noted, by channel.
struct Ears {
    is_pattern: bool,
    places: BTreeMap<String, usize>,
}

impl Ears {
    /// To one channel, or by a pattern to all.
    fn of(name: &str) -> Self {
        let is_pattern = name.contains('*');
        let all = (0..CHANNELS).map(|number| format!("channel-{number}"));
        let one = std::iter::once(name.to_owned());
        let heard: Vec<String> = if is_pattern { all.collect() } else { one.collect() };
        Ears { is_pattern, places: heard.into_iter().map(|channel| (channel, 0)).collect() }
    }

    fn verb(&self, verb: &str) -> String {
        format!("{}{verb}", if self.is_pattern { "P" } else { "" })
    }

    /// The subscription is confirmed.
    fn open(&mut self, session: u32, recorder: &Recorder) {
        for (channel, place) in &mut self.places {
            recorder.note_pubsub(|pubsub| {
                *place = pubsub.subscriptions.len();
                pubsub.subscriptions.push(Subscription {
                    session,
                    channel: channel.clone(),
                    confirmed_ns: recorder.true_ns(),
                    received: Vec::new(),
                    held_ns: None,
                });
            });
        }
    }

    fn hear(&self, channel: &str, message: String, recorder: &Recorder) -> Result<(), String> {
        let place = self.places.get(channel).ok_or(format!("a subscriber hears {channel}"))?;
        recorder.note_pubsub(|pubsub| pubsub.subscriptions[*place].received.push(message));
        Ok(())
    }

    fn held(&self, until_ns: u64, recorder: &Recorder) {
        recorder.note_pubsub(|pubsub| {
            self.places.values().for_each(|place| pubsub.subscriptions[*place].held_ns = Some(until_ns));
        });
    }
}

async fn subscribe(who: &str, script: &[Listen], address: &Address, recorder: &Arc<Recorder>) {
    let mut turns = script.iter().cycle();
    let mut peaceful = script.is_empty();
    while !peaceful {
        let Ok(mut connection) = Connection::open(address, recorder, who).await else {
            time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Some(Listen { channel, resp3, until_us }) = turns.next() else { return };
        if connection.greet(*resp3).await.is_err() {
            continue;
        }
        let mut ears = Ears::of(channel);
        if join(&mut connection, &mut ears, channel, recorder).await.is_err() {
            continue;
        }
        // Some leave, and listen again on the same connection.
        if let Some(until_us) = until_us.filter(|_| !recorder.is_quiet()) {
            let stays = Duration::from_micros(until_us);
            if leave(&mut connection, &ears, channel, stays, recorder).await.is_err()
                || join(&mut connection, &mut ears, channel, recorder).await.is_err()
            {
                continue;
            }
        }
        peaceful = listen(&mut connection, &ears, recorder).await;
    }
}

async fn join(
    connection: &mut Connection,
    ears: &mut Ears,
    name: &str,
    recorder: &Recorder,
) -> io::Result<()> {
    connection.send(&[&[&ears.verb("SUBSCRIBE"), name]]).await?;
    let reply = connection.reply().await?;
    if matches!(reply, Reply::Error(_)) {
        return Err(connection.complain(format!("SUBSCRIBE is answered by {reply:?}")));
    }
    film::mark(&connection.whose, "note", 0, || {
        format!("session {} subscribes to {name}", connection.session)
    });
    ears.open(connection.session, recorder);
    Ok(())
}

/// Listens for a while, then no longer: after that is confirmed, nothing more may come.
async fn leave(
    connection: &mut Connection,
    ears: &Ears,
    name: &str,
    stays: Duration,
    recorder: &Recorder,
) -> io::Result<()> {
    time::sleep(stays).await;
    connection.send(&[&[&ears.verb("UNSUBSCRIBE"), name]]).await?;
    loop {
        let reply = connection.reply().await?;
        match heard(&reply) {
            Some(Heard::Message(channel, message)) => {
                ears.hear(&channel, message, recorder).map_err(|what| connection.complain(what))?;
            }
            Some(Heard::Left) => break,
            _ => return Err(connection.complain(format!("a subscriber receives {reply:?}"))),
        }
    }
    match time::timeout(Duration::from_millis(500), connection.next()).await {
        Ok(Ok(reply)) => Err(connection.complain(format!("who listens no longer receives {reply:?}"))),
        Ok(Err(error)) => Err(error),
        Err(_) => Ok(()),
    }
}

/// Listens until the connection breaks, or the world has been quiet for long enough to receive all.
/// A connection whose other end is gone can look sound for ever, so a PING shows that it has held.
async fn listen(connection: &mut Connection, ears: &Ears, recorder: &Recorder) -> bool {
    let (mut quiet_since_ns, mut asked_ns) = (None, None);
    loop {
        match time::timeout(Duration::from_secs(1), connection.next()).await {
            Ok(Ok(reply)) => match heard(&reply) {
                Some(Heard::Message(channel, message)) => {
                    film::mark(&connection.whose, "message", 0, || message.clone());
                    if let Err(what) = ears.hear(&channel, message, recorder) {
                        recorder.complain(what);
                    }
                }
                Some(Heard::Pong) => {
                    ears.held(asked_ns.unwrap_or(0), recorder);
                    return true;
                }
                _ => recorder.complain(format!("a subscriber receives {reply:?}")),
            },
            Ok(Err(_)) => return false,
            Err(_) if recorder.is_quiet() => {
                let since_ns = *quiet_since_ns.get_or_insert(recorder.true_ns());
                let quiet_ns = recorder.true_ns() - since_ns;
                // Longer than publishers mostly still have to say something.
                if quiet_ns > 8_000_000_000 {
                    asked_ns.get_or_insert(recorder.true_ns());
                    if connection.send(&[&["PING"]]).await.is_err() {
                        return false;
                    }
                }
                if quiet_ns > 12_000_000_000 {
                    return false;
                }
            }
            Err(_) => {}
        }
    }
}

enum Heard {
    /// On a channel.
    Message(String, String),
    Pong,
    /// It listens no longer.
    Left,
}

fn heard(reply: &Reply) -> Option<Heard> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match reply {
        Reply::Array(items) | Reply::Push(items) => match items.as_slice() {
            [Reply::Bulk(kind), Reply::Bulk(channel), Reply::Bulk(message)] if kind == b"message" => {
                Some(Heard::Message(text(channel), text(message)))
            }
            [Reply::Bulk(kind), Reply::Bulk(_), Reply::Bulk(channel), Reply::Bulk(message)]
                if kind == b"pmessage" =>
            {
                Some(Heard::Message(text(channel), text(message)))
            }
            [Reply::Bulk(kind), Reply::Bulk(_), Reply::Int(_)] if kind.ends_with(b"unsubscribe") => {
                Some(Heard::Left)
            }
            [Reply::Bulk(kind), Reply::Bulk(_)] if kind == b"pong" => Some(Heard::Pong),
            _ => None,
        },
        Reply::Status(text) if text == b"PONG" => Some(Heard::Pong),
        _ => None,
    }
}

/// Checks what the head of this file says.
/// Fails with the kind of fault in a word, and what it is.
pub fn check(pubsub: &PubSub) -> Result<(), (&'static str, String)> {
    let published: BTreeMap<(&str, &str), &Published> =
        pubsub.published.iter().map(|one| ((one.channel.as_str(), one.message.as_str()), one)).collect();
    for subscription in &pubsub.subscriptions {
        let who = format!("session {} on {}", subscription.session, subscription.channel);
        let mut seen = BTreeSet::new();
        for message in &subscription.received {
            if !published.contains_key(&(subscription.channel.as_str(), message.as_str())) {
                let what = format!("{who} received {message}, which nobody published there");
                return Err(("invented", what));
            }
            if !seen.insert(message) {
                return Err(("twice", format!("{who} received {message} twice")));
            }
        }
        let lost = pubsub.published.iter().find(|one| {
            one.channel == subscription.channel
                && one.invoked_ns > subscription.confirmed_ns
                && one.returned_ns.is_some_and(|returned| subscription.held_ns > Some(returned))
                && !seen.contains(&one.message)
        });
        if let Some(lost) = lost {
            let seconds = |ns: u64| ns as f64 / 1e9;
            let (at, since) = (seconds(lost.invoked_ns), seconds(subscription.confirmed_ns));
            let what = &lost.message;
            let text = format!("{who} never received {what}, sent at {at:.6}; it listens since {since:.6}");
            return Err(("lost", text));
        }
    }
    agree(pubsub).map_err(|what| ("order", what))
}

/// Any two subscriptions of a channel have what both received in the same order.
fn agree(pubsub: &PubSub) -> Result<(), String> {
    for (index, one) in pubsub.subscriptions.iter().enumerate() {
        let place: BTreeMap<&String, usize> =
            one.received.iter().enumerate().map(|(place, message)| (message, place)).collect();
        for other in pubsub.subscriptions[index + 1..].iter().filter(|other| other.channel == one.channel) {
            let places: Vec<usize> =
                other.received.iter().filter_map(|message| place.get(message).copied()).collect();
            if !places.is_sorted() {
                return Err(format!(
                    "sessions {} and {} received messages of {} in different orders",
                    one.session, other.session, one.channel
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(message: &str, invoked_ns: u64) -> Published {
        let (channel, message) = ("c".to_owned(), message.to_owned());
        Published { channel, message, invoked_ns, returned_ns: Some(invoked_ns + 1) }
    }

    fn subscription(session: u32, received: &[&str]) -> Subscription {
        let received = received.iter().map(|&message| message.to_owned()).collect();
        Subscription { session, channel: "c".to_owned(), confirmed_ns: 5, received, held_ns: Some(20) }
    }

    fn verdict(subscriptions: Vec<Subscription>) -> Result<(), String> {
        let published = vec![published("early", 1), published("a", 10), published("b", 10)];
        check(&PubSub { published, subscriptions }).map_err(|(kind, what)| format!("{kind}: {what}"))
    }

    #[test]
    fn what_is_right_passes_and_each_wrong_is_found() {
        assert_eq!(
            verdict(vec![subscription(1, &["a", "b"]), subscription(2, &["early", "a", "b"])]),
            Ok(())
        );
        assert!(verdict(vec![subscription(1, &["a"])]).unwrap_err().contains("never received b"));
        let deaf = |held_ns| Subscription { held_ns, ..subscription(1, &["a"]) };
        assert_eq!(verdict(vec![deaf(Some(11))]), Ok(()), "it may have left when b came");
        assert_eq!(verdict(vec![deaf(None)]), Ok(()), "its connection may have broken");
        assert!(verdict(vec![subscription(1, &["a", "b", "a"])]).unwrap_err().contains("twice"));
        assert!(verdict(vec![subscription(1, &["a", "b", "x"])]).unwrap_err().contains("nobody published"));
        let crossed = verdict(vec![subscription(1, &["a", "b"]), subscription(2, &["b", "a"])]);
        assert!(crossed.unwrap_err().contains("different orders"));
    }
}
