//! The kinds of faults: what they do, and that they are noted when they strike.

use super::*;

/// What arrives of ten bytes, each sent when the one before has arrived: after how many microseconds each.
async fn delays_us(pair: &Pair, count: usize) -> Vec<u64> {
    let (mut client, mut server) = pair.connect().await;
    let mut delays = Vec::new();
    for _ in 0..count {
        let start = time::now().mono_us;
        client.write_all(b"x").await.unwrap();
        server.read_exact(&mut [0]).await.unwrap();
        delays.push(time::now().mono_us - start);
    }
    delays
}

#[test]
fn a_heavy_tail_makes_some_wait_very_much_longer_than_most() {
    FaultKind::take_fired();
    world(20, async |pair| {
        pair.net.set_default_link(Link { tail: 1_000_000, ..Link::default() });
        let mut delays = delays_us(&pair, 200).await;
        delays.sort_unstable();
        assert!(delays[0] >= 1_000 && delays[100] < 5_000 && delays[195] > 10_000, "{delays:?}");
        assert!(delays[199] <= 3_000_300);
    });
    assert!(FaultKind::Latency.has_fired());
}

#[test]
fn a_burst_holds_all_up_and_lets_them_arrive_together() {
    FaultKind::take_fired();
    world(21, async |pair| {
        let (mut client, mut server) = pair.connect().await;
        pair.net.set_default_link(Link { bursts: 200_000, ..Link::default() });
        for _ in 0..20 {
            client.write_all(b"abc").await.unwrap();
            time::sleep(Duration::from_micros(100)).await;
        }
        time::sleep(Duration::from_secs(2)).await;
        // All but what the first segments carried has waited for the end of a burst.
        let mut got = [0; 60];
        server.read_exact(&mut got).await.unwrap();
        assert_eq!(got, *b"abc".repeat(20));
        let delays = delays_us(&pair, 50).await;
        assert!(delays.iter().any(|us| *us > 1_000) && delays.iter().any(|us| *us < 500), "{delays:?}");
    });
    assert!(FaultKind::Latency.has_fired());
}

#[test]
fn writes_that_wait_for_more_travel_together() {
    FaultKind::take_fired();
    world(22, async |pair| {
        let (mut client, mut server) = pair.connect().await;
        pair.net.set_default_link(Link { merges: 1_000_000, ..Link::default() });
        let start = time::now().mono_us;
        for part in [b"ab", b"cd", b"ef"] {
            client.write_all(part).await.unwrap();
            time::sleep(Duration::from_millis(1)).await;
        }
        let mut got = [0; 6];
        server.read_exact(&mut got).await.unwrap();
        assert_eq!(got, *b"abcdef");
        assert!((40_000..41_000).contains(&(time::now().mono_us - start)));
        // What ends a stream takes with it what waits.
        client.write_all(b"g").await.unwrap();
        client.shutdown_write().unwrap();
        assert_eq!(soon(read(&mut server)).await.unwrap().unwrap(), b"g");
        assert!(time::now().mono_us - start < 45_000);
    });
    assert!(FaultKind::Coalescing.has_fired());
}

#[test]
fn a_node_that_is_cut_off_neither_hears_nor_is_heard() {
    for (block, kind) in [
        (SimNet::isolate as fn(&SimNet, NodeId), FaultKind::Isolation),
        (SimNet::clog, FaultKind::SwizzleClog),
    ] {
        FaultKind::take_fired();
        world(23, async |pair| {
            let (mut client, mut server) = pair.connect().await;
            block(&pair.net, pair.server.id());
            client.write_all(b"a").await.unwrap();
            server.write_all(b"b").await.unwrap();
            assert!(soon(read(&mut server)).await.is_none() && soon(read(&mut client)).await.is_none());
            pair.net.unblock(pair.server.id());
            assert_eq!(read(&mut server).await.unwrap(), b"a");
            assert_eq!(read(&mut client).await.unwrap(), b"b");
        });
        assert!(kind.has_fired() && !FaultKind::Cut.has_fired());
    }
}

#[test]
fn a_node_without_descriptors_accepts_again_once_it_has_closed_some() {
    FaultKind::take_fired();
    world(24, async |pair| {
        pair.net.set_most_accepted(pair.server.id(), Some(1));
        let (to, address) = (pair.address(), pair.address());
        let server = on(&pair.server, async move {
            let listener = Listener::bind(&to, &ListenOptions::default()).unwrap();
            let (first, _) = listener.accept().await.unwrap();
            let refused = listener.accept().await.unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(network::code::EMFILE));
            drop(first);
            drop(listener.accept().await.unwrap());
        });
        let client = on(&pair.client, async move {
            let _first = Stream::connect(&address).await.unwrap();
            let mut second = Stream::connect(&address).await.unwrap();
            assert_eq!(read(&mut second).await.unwrap(), b"");
        });
        client.await;
        server.await;
    });
    assert!(FaultKind::DescriptorExhaustion.has_fired());
}

/// The kinds that happen in a world.
fn fired<F: Future>(seed: u64, body: impl FnOnce(Pair) -> F) -> Vec<FaultKind> {
    FaultKind::take_fired();
    world(seed, body);
    FaultKind::take_fired()
}

#[test]
fn nothing_is_noted_in_a_good_network() {
    let kinds = fired(25, async |pair| {
        let delays = delays_us(&pair, 20).await;
        assert!(delays.iter().all(|us| *us < 300), "{delays:?}");
    });
    assert!(kinds.is_empty(), "{kinds:?}");
}

#[test]
fn each_fault_is_noted_when_it_strikes() {
    let talk = async |pair: &Pair| {
        let (mut client, mut server) = pair.connect().await;
        // What does not fit waits for a reader, who comes later.
        _ = soon(client.write_all(&[b'x'; 300])).await;
        _ = soon(server.read_exact(&mut [0; 300])).await;
    };
    let with = |seed, link: Link, kind: FaultKind| {
        let kinds = fired(seed, async |pair| {
            pair.net.set_default_link(link);
            talk(&pair).await;
        });
        assert!(kinds.contains(&kind), "{kind:?} is not among {kinds:?}");
    };
    with(30, Link { loss: 900_000, ..Link::default() }, FaultKind::Loss);
    with(31, Link { bandwidth: Some(1_000), segment: 100, ..Link::default() }, FaultKind::Bandwidth);
    with(32, Link { segment: 1, ..Link::default() }, FaultKind::Fragments);
    with(33, Link { window: 100, ..Link::default() }, FaultKind::FullWindow);
    with(34, Link { resets: 1_000_000, ..Link::default() }, FaultKind::Reset);
    let cut = |both: bool| {
        fired(35, async move |pair| {
            let (mut client, _server) = pair.connect().await;
            pair.net.partition(pair.client.id(), pair.server.id());
            if both {
                pair.net.partition(pair.server.id(), pair.client.id());
            }
            client.write_all(b"a").await.unwrap();
            time::sleep(Duration::from_secs(1)).await;
        })
    };
    assert_eq!(cut(false), [FaultKind::OneWayCut]);
    assert_eq!(cut(true), [FaultKind::Cut]);
    let half_closed = fired(36, async |pair| {
        let (mut client, mut server) = pair.connect().await;
        client.shutdown_write().unwrap();
        assert_eq!(read(&mut server).await.unwrap(), b"");
        server.write_all(b"still here").await.unwrap();
        assert_eq!(read(&mut client).await.unwrap(), b"still here");
    });
    assert_eq!(half_closed, [FaultKind::HalfClose]);
    let refused = fired(37, async |pair| {
        let to = pair.address();
        assert!(on(&pair.client, async move { Stream::connect(&to).await.map(drop) }).await.is_err());
    });
    assert_eq!(refused, [FaultKind::FailedConnect]);
    let silent = fired(38, async |pair| {
        let (mut client, _server) = pair.connect().await;
        pair.net.set_death(pair.server.id(), Death::Power);
        Handle::current().kill(pair.server.id());
        client.write_all(b"anybody?").await.unwrap();
        time::sleep(Duration::from_secs(1)).await;
    });
    assert_eq!(silent, [FaultKind::SilentDeath]);
    let accept = fired(39, async |pair| {
        pair.net.fail_accept(pair.server.id(), AcceptError::TooManyFiles);
        let (to, address) = (pair.address(), pair.address());
        let accepting = on(&pair.server, async move {
            Listener::bind(&to, &ListenOptions::default()).unwrap().accept().await.map(drop)
        });
        let client = pair.client.spawn(async move { Stream::connect(&address).await.map(drop) });
        assert!(accepting.await.is_err());
        drop(client.await);
    });
    assert!(accept.contains(&FaultKind::FailedAccept));
}
