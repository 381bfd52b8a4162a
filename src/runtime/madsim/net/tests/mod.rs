//! Each fault does what it says.

mod kinds;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use ::madsim::runtime::{Handle, NodeHandle, Runtime};

use super::*;
use crate::runtime::simulation;
use crate::runtime::{rng, task, time};

const PORT: u16 = 6379;

/// A server node, a client node and the network between them.
struct Pair {
    net: Arc<SimNet>,
    server: NodeHandle,
    client: NodeHandle,
}

impl Pair {
    fn address(&self) -> Address {
        Address::Tcp(SocketAddr::new(SimNet::ip(self.server.id()), PORT))
    }

    /// An established connection, client's end first. Each end is used from the main task, which does
    /// no harm: only connecting and binding ask where they are.
    async fn connect(&self) -> (Stream, Stream) {
        let address = self.address();
        let to = address.clone();
        let accepting = on(&self.server, async move {
            let listener = Listener::bind(&to, &ListenOptions::default()).unwrap();
            listener.accept().await.unwrap().0
        });
        let client = on(&self.client, async move { Stream::connect(&address).await.unwrap() });
        (client.await, accepting.await)
    }
}

/// Runs a future as a task of a node.
fn on<F>(node: &NodeHandle, future: F) -> impl Future<Output = F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let running = node.spawn(future);
    async move { running.await.unwrap() }
}

fn world<F: Future>(seed: u64, body: impl FnOnce(Pair) -> F) -> (F::Output, u64) {
    let runtime = Runtime::with_seed_and_config(seed, ::madsim::Config::default());
    simulation::install(&runtime);
    runtime.block_on(async {
        simulation::start();
        let node = |name: &str| Handle::current().create_node().name(name).build();
        let pair = Pair { net: SimNet::current(), server: node("server"), client: node("client") };
        let output = body(pair).await;
        (output, SimNet::current().trace_hash())
    })
}

async fn read(stream: &mut Stream) -> io::Result<Vec<u8>> {
    let mut buffer = [0; 64];
    stream.read(&mut buffer).await.map(|read| buffer[..read].to_vec())
}

async fn soon<F: Future>(future: F) -> Option<F::Output> {
    time::timeout(Duration::from_secs(1), future).await.ok()
}

#[test]
fn a_cut_is_one_way_and_heals() {
    world(1, async |pair| {
        let (mut client, mut server) = pair.connect().await;
        pair.net.partition(pair.client.id(), pair.server.id());
        client.write_all(b"a").await.unwrap();
        server.write_all(b"b").await.unwrap();
        assert_eq!(read(&mut client).await.unwrap(), b"b");
        assert!(soon(read(&mut server)).await.is_none());
        pair.net.heal(pair.client.id(), pair.server.id());
        assert_eq!(read(&mut server).await.unwrap(), b"a");
    });
}

#[test]
fn what_cannot_get_through_times_out_in_the_end() {
    world(2, async |pair| {
        let (mut client, mut server) = pair.connect().await;
        pair.net.partition(pair.client.id(), pair.server.id());
        client.write_all(b"a").await.unwrap();
        assert_eq!(read(&mut client).await.unwrap_err().kind(), ErrorKind::TimedOut);
        // The other end has heard of nothing: half open, until it writes.
        assert!(soon(read(&mut server)).await.is_none());
        let to = pair.address();
        let again = on(&pair.client, async move { Stream::connect(&to).await.map(drop) }).await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn a_dead_process_is_noticed_at_once_and_a_dead_machine_is_not() {
    world(3, async |pair| {
        let (mut client, _server) = pair.connect().await;
        Handle::current().kill(pair.server.id());
        assert_eq!(soon(read(&mut client)).await.unwrap().unwrap(), b"");
    });
    world(3, async |pair| {
        let (mut client, _server) = pair.connect().await;
        pair.net.set_death(pair.server.id(), Death::Power);
        Handle::current().kill(pair.server.id());
        client.write_all(b"anybody?").await.unwrap();
        assert!(soon(read(&mut client)).await.is_none());
        pair.net.power_on(pair.server.id());
        assert_eq!(read(&mut client).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

/// The server's end of a connection whose client is gone and has written more than there is room for.
async fn stuffed(pair: &Pair) -> Stream {
    pair.net.set_default_link(Link { window: 16, ..Link::default() });
    let (mut client, server) = pair.connect().await;
    assert!(soon(client.write_all(&[0; 64])).await.is_none());
    server
}

#[test]
fn what_waits_for_room_ends_though_the_reset_is_lost() {
    world(3, async |pair| {
        let server = stuffed(&pair).await;
        pair.net.partition(pair.server.id(), pair.client.id());
        drop(server);
        time::sleep(Duration::from_secs(300)).await;
        assert_eq!(pair.net.describe_connections(), [""; 0]);
    });
}

#[test]
fn what_a_firewall_lets_through_to_a_closed_socket_does_not_wait_for_a_reader() {
    world(3, async |pair| {
        pair.net.set_default_link(Link { window: 16, latency_us: (1_000, 1_000), ..Link::default() });
        let (client, mut server) = pair.connect().await;
        server.write_all(&[0; 16]).await.unwrap();
        drop(client);
        // It lets all through, and its reset of the server does not get there.
        pair.net.partition(pair.client.id(), pair.server.id());
        pair.net.with(|network| network.tear(1, 1, 16));
        time::sleep(Duration::from_millis(10)).await;
        server.write_all(&[0; 16]).await.unwrap();
        drop(server);
        time::sleep(Duration::from_secs(300)).await;
        assert_eq!(pair.net.describe_connections(), [""; 0]);
    });
}

#[test]
fn what_waits_for_a_dead_machine_to_read_is_given_up() {
    world(3, async |pair| {
        let server = stuffed(&pair).await;
        pair.net.set_death(pair.server.id(), Death::Power);
        Handle::current().kill(pair.server.id());
        drop(server);
        time::sleep(Duration::from_secs(300)).await;
        assert_eq!(pair.net.describe_connections(), [""; 0]);
    });
}

#[test]
fn a_server_that_restarts_while_clients_connect_serves_them() {
    world(13, async |pair| {
        let (to, address) = (pair.address(), pair.address());
        Handle::current().kill(pair.server.id());
        pair.net.set_death(pair.server.id(), Death::Power);
        // The packet that opens the connection is under way when the machine dies, and is repeated.
        let early = pair.client.spawn(async move { Stream::connect(&address).await });
        time::sleep(Duration::from_micros(1)).await;
        Handle::current().kill(pair.server.id());
        time::sleep(Duration::from_millis(100)).await;
        Handle::current().restart(pair.server.id());
        let server = Handle::current().get_node(pair.server.id()).unwrap();
        let serving = on(&server, async move {
            let listener = Listener::bind(&to, &ListenOptions::default()).unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"hello").await.unwrap();
        });
        let mut early = early.await.unwrap().unwrap();
        serving.await;
        assert_eq!(read(&mut early).await.unwrap(), b"hello");
    });
}

#[test]
fn a_reset_lets_a_prefix_through() {
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..20 {
        world(seed, async |pair| {
            let (mut client, mut server) = pair.connect().await;
            let sent: Vec<u8> = (0..200).collect();
            client.write_all(&sent).await.unwrap();
            assert!(pair.net.reset_connection(pair.client.id(), pair.server.id()));
            let mut got = Vec::new();
            let error = loop {
                match read(&mut server).await {
                    Ok(bytes) => got.extend(bytes),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            assert!(sent.starts_with(&got));
            assert_eq!(read(&mut client).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
            assert_eq!(client.try_write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
            lengths.insert(got.len());
        });
    }
    assert!(lengths.len() > 3, "always cut at the same byte: {lengths:?}");
}

#[test]
fn accept_fails_as_told_and_goes_on() {
    world(4, async |pair| {
        pair.net.fail_accept(pair.server.id(), AcceptError::TooManyFiles);
        pair.net.fail_accept(pair.server.id(), AcceptError::Aborted);
        let (to, address) = (pair.address(), pair.address());
        let server = on(&pair.server, async move {
            let listener = Listener::bind(&to, &ListenOptions::default()).unwrap();
            let first = listener.accept().await.unwrap_err();
            let second = listener.accept().await.unwrap_err();
            assert_eq!(first.raw_os_error(), Some(network::code::EMFILE));
            assert_eq!(second.kind(), ErrorKind::ConnectionAborted);
            drop(listener.accept().await.unwrap());
        });
        let client = on(&pair.client, async move {
            // The first connection waits through EMFILE and is then aborted.
            let error = match Stream::connect(&address).await {
                Ok(mut aborted) => read(&mut aborted).await.unwrap_err(),
                Err(error) => error,
            };
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            Stream::connect(&address).await.unwrap();
        });
        client.await;
        server.await;
    });
}

#[test]
fn a_full_backlog_makes_clients_wait() {
    world(5, async |pair| {
        let (to, address) = (pair.address(), pair.address());
        let server = on(&pair.server, async move {
            let options = ListenOptions { backlog: 1, ..ListenOptions::default() };
            let listener = Listener::bind(&to, &options).unwrap();
            time::sleep(Duration::from_millis(500)).await;
            for _ in 0..3 {
                drop(listener.accept().await.unwrap());
            }
        });
        let client = on(&pair.client, async move {
            let start = time::now().mono_us;
            let (_a, _b) =
                (Stream::connect(&address).await.unwrap(), Stream::connect(&address).await.unwrap());
            // Linux lets one more than the backlog wait.
            assert!(time::now().mono_us - start < 500_000);
            Stream::connect(&address).await.unwrap();
            assert!(time::now().mono_us - start > 500_000);
        });
        client.await;
        server.await;
    });
}

#[test]
fn latency_and_bandwidth_take_their_time() {
    world(6, async |pair| {
        let (mut client, mut server) = pair.connect().await;
        pair.net.change_link(pair.client.id(), pair.server.id(), |link| {
            link.latency_us = (300, 300);
            link.bandwidth = Some(1_000_000);
        });
        let start = time::now().mono_us;
        client.write_all(&[0; 10]).await.unwrap();
        server.read_exact(&mut [0; 10]).await.unwrap();
        let short = time::now().mono_us - start;
        // At least 50 bytes on the wire, each a microsecond; segments are cut smaller at random.
        assert!((350..1000).contains(&short), "{short}");
        client.write_all(&[0; 20_000]).await.unwrap();
        server.read_exact(&mut [0; 20_000]).await.unwrap();
        assert!(time::now().mono_us - start > 20_000);
    });
}

#[test]
fn one_byte_segments_and_short_writes_still_carry_everything() {
    world(7, async |pair| {
        pair.net.set_default_link(Link {
            segment: 1,
            window: 3,
            loss: 20_000,
            short_writes: 500_000,
            ..Link::default()
        });
        let (mut client, mut server) = pair.connect().await;
        let writer = task::spawn_local("writer", async move {
            client.write_all(&[b'x'; 500]).await.unwrap();
        });
        let mut got = [0; 500];
        server.read_exact(&mut got).await.unwrap();
        assert_eq!(got, [b'x'; 500]);
        writer.await.unwrap();
    });
}

#[test]
fn nothing_is_left_when_all_is_closed() {
    world(8, async |pair| {
        for round in 0..3 {
            let (mut client, mut server) = pair.connect().await;
            client.write_all(b"to be discarded").await.unwrap();
            server.write_all(b"unread").await.unwrap();
            match round {
                0 => drop((client, server)),
                1 => {
                    client.reset();
                    drop(server);
                }
                _ => {
                    pair.net.reset_connection(pair.client.id(), pair.server.id());
                    drop((client, server));
                }
            }
            time::sleep(Duration::from_secs(1)).await;
            assert_eq!(pair.net.describe_connections(), [""; 0], "round {round}");
        }
    });
}

#[test]
fn loopback_and_ipv6_reach_the_node_itself() {
    world(9, async |pair| {
        let node = pair.server.id();
        on(&pair.server, async move {
            let all = Address::Tcp("[::]:7000".parse().unwrap());
            let listener = Listener::bind(&all, &ListenOptions::default()).unwrap();
            let IpAddr::V4(own) = SimNet::ip(node) else { panic!("an IPv4 address") };
            let [.., a, b] = own.octets();
            let own = format!("[fd00::0a01:{:x}]:7000", u16::from_be_bytes([a, b]));
            for to in ["[::1]:7000", &own] {
                drop(Stream::connect(&Address::Tcp(to.parse().unwrap())).await.unwrap());
                listener.accept().await.unwrap();
            }
            let foreign = Address::Tcp("10.9.9.9:1".parse().unwrap());
            let refused = Listener::bind(&foreign, &ListenOptions::default()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::AddrNotAvailable);
        })
        .await;
    });
}

/// A conversation that ends in a hash of everything the network did.
fn conversation(seed: u64, app_draws: usize) -> u64 {
    let ((), hash) = world(seed, async |pair| {
        pair.net.set_default_link(Link { loss: 50_000, segment: 7, ..Link::default() });
        let (mut client, mut server) = pair.connect().await;
        for _ in 0..app_draws {
            rng::seed();
        }
        for _ in 0..20 {
            client.write_all(b"a request of some length").await.unwrap();
            server.read_exact(&mut [0; 24]).await.unwrap();
            server.write_all(b"a reply").await.unwrap();
            client.read_exact(&mut [0; 7]).await.unwrap();
        }
    });
    hash
}

#[test]
fn a_seed_replays_and_another_differs() {
    let hash_of = |seed, draws| std::thread::spawn(move || conversation(seed, draws)).join().unwrap();
    assert_eq!(hash_of(10, 0), hash_of(10, 0));
    assert_ne!(hash_of(10, 0), hash_of(11, 0));
    assert_eq!(hash_of(10, 0), hash_of(10, 5), "draws of the server moved the network's");
}
