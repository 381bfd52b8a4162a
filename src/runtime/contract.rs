//! What both runtimes promise. Every test here runs over the operating system, and, built with
//! `--cfg madsim`, inside the simulator.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::net::{Address, ListenOptions, Listener, Stream};
use super::testing::{Directory, listen, run};
use super::{fs, rng, sync, task, thread, time};

async fn pair() -> (Stream, Stream) {
    let (listener, address) = listen();
    let client = Stream::connect(&address).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

async fn read_to_end(stream: &mut Stream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).await.unwrap() {
            0 => return all,
            read => all.extend_from_slice(&buffer[..read]),
        }
    }
}

#[test]
fn bytes_arrive_in_order_both_ways() {
    run(async {
        let (mut client, mut server) = pair().await;
        let message: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        let expected = message.clone();
        let echo = task::spawn_local("echo", async move {
            let bytes = read_to_end(&mut server).await;
            server.write_all(&bytes).await.unwrap();
        });
        client.write_all(&message).await.unwrap();
        client.shutdown_write().unwrap();
        assert_eq!(read_to_end(&mut client).await, expected);
        echo.await.unwrap();
    });
}

#[test]
fn after_a_half_close_the_other_direction_goes_on() {
    run(async {
        let (mut client, mut server) = pair().await;
        client.shutdown_write().unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        server.write_all(b"still here").await.unwrap();
        drop(server);
        assert_eq!(read_to_end(&mut client).await, b"still here");
        assert_eq!(client.try_write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_reset_reaches_the_peer() {
    run(async {
        let (mut client, server) = pair().await;
        server.reset();
        let error = client.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn closing_with_unread_bytes_resets() {
    run(async {
        let (mut client, mut server) = pair().await;
        client.write_all(b"unread").await.unwrap();
        server.read_exact(&mut [0; 1]).await.unwrap();
        drop(server);
        let error = client.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_full_window_pushes_back_until_the_peer_reads() {
    run(async {
        let (mut client, mut server) = pair().await;
        let block = vec![7; 64 << 10];
        let mut sent = 0;
        loop {
            match client.try_write(&block) {
                Ok(written) => sent += written,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    // The peer's window may only be on its way to being full.
                    let ready = std::future::poll_fn(|context| client.poll_write_ready(context));
                    if time::timeout(Duration::from_millis(100), ready).await.is_err() {
                        break;
                    }
                }
            }
        }
        assert!(sent > 0);
        let reader = task::spawn_local("reader", async move { read_to_end(&mut server).await.len() });
        client.write_all(b"the rest").await.unwrap();
        drop(client);
        assert_eq!(reader.await.unwrap(), sent + 8);
    });
}

#[test]
fn a_poll_read_that_finds_nothing_is_woken_by_the_next_byte() {
    run(async {
        let (mut client, mut server) = pair().await;
        let reader = task::spawn_local("reader", async move {
            let mut byte = [0];
            server.read(&mut byte).await.unwrap();
            byte[0]
        });
        task::yield_now().await;
        client.write_all(b"!").await.unwrap();
        assert_eq!(reader.await.unwrap(), b'!');
    });
}

#[test]
fn nobody_listening_refuses() {
    run(async {
        let (listener, address) = listen();
        drop(listener);
        let error = Stream::connect(&address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn an_address_is_taken_until_its_listener_goes() {
    run(async {
        let (listener, address) = listen();
        let clash = Listener::bind(&address, &ListenOptions::default()).unwrap_err();
        assert_eq!(clash.kind(), ErrorKind::AddrInUse);
        // An open connection does not keep the address: a server restarts at once.
        let client = Stream::connect(&address).await.unwrap();
        let server = listener.accept().await.unwrap().0;
        drop(listener);
        drop(server);
        Listener::bind(&address, &ListenOptions::default()).unwrap();
        drop(client);
    });
}

#[test]
fn both_ends_know_both_addresses() {
    run(async {
        let (listener, address) = listen();
        let client = Stream::connect(&address).await.unwrap();
        let (server, from) = listener.accept().await.unwrap();
        assert_eq!(client.peer_address().unwrap(), address);
        assert_eq!(server.local_address().unwrap(), address);
        assert_eq!(client.local_address().unwrap(), from);
        assert_eq!(server.peer_address().unwrap(), from);
        assert_ne!(client.descriptor(), server.descriptor());
        server.set_nodelay(true).unwrap();
        server.set_keepalive(300).unwrap();
    });
}

#[test]
fn a_unix_socket_carries_bytes_and_replaces_a_stale_file() {
    run(async {
        let directory = Directory::fresh();
        let path = directory.join("socket");
        fs::write(&path, b"stale").unwrap();
        let address = Address::Unix(path.clone());
        let options = ListenOptions { unix_permissions: Some(0o700), ..ListenOptions::default() };
        let listener = Listener::bind(&address, &options).unwrap();
        let mut client = Stream::connect(&address).await.unwrap();
        let (mut server, from) = listener.accept().await.unwrap();
        assert_eq!(from, address);
        client.write_all(b"hello").await.unwrap();
        drop(client);
        assert_eq!(read_to_end(&mut server).await, b"hello");
        drop(listener);
        assert!(!fs::exists(&path));
        assert!(Stream::connect(&address).await.is_err());
    });
}

#[test]
fn a_detached_stream_goes_on_elsewhere() {
    run(async {
        let (mut client, server) = pair().await;
        let server = server.detach().unwrap();
        let other = thread::spawn_runtime("other", move || async move {
            let mut server = server.attach().unwrap();
            server.write_all(b"from the other side").await.unwrap();
        })
        .unwrap();
        assert_eq!(read_to_end(&mut client).await, b"from the other side");
        other.join().await.unwrap();
    });
}

#[test]
fn timers_fire_in_order_and_never_early() {
    run(async {
        let start = time::now().mono_us;
        let fired = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = [30_000, 10_000, 20_000]
            .into_iter()
            .map(|delay| {
                let fired = fired.clone();
                task::spawn_local("timer", async move {
                    time::sleep_until(start + delay).await;
                    assert!(time::now().mono_us >= start + delay);
                    fired.borrow_mut().push(delay);
                })
            })
            .collect();
        for timer in tasks {
            timer.await.unwrap();
        }
        assert_eq!(*fired.borrow(), [10_000, 20_000, 30_000]);
    });
}

#[test]
fn a_timer_can_be_moved() {
    run(async {
        let start = time::now().mono_us;
        let mut sleep = time::Sleep::until(u64::MAX);
        let early = time::timeout(Duration::from_millis(5), &mut sleep).await;
        assert!(early.is_err());
        sleep.reset(start + 10_000);
        (&mut sleep).await;
        assert!(time::now().mono_us >= start + 10_000);
        sleep.reset(start + 20_000);
        sleep.await;
        assert!(time::now().mono_us >= start + 20_000);
    });
}

#[test]
fn the_monotonic_clock_never_goes_back() {
    run(async {
        let (mut last, mut last_ns) = (time::now().mono_us, time::stopwatch());
        for _ in 0..100 {
            task::yield_now().await;
            let (now, now_ns) = (time::now().mono_us, time::stopwatch());
            assert!(now >= last && now_ns >= last_ns);
            (last, last_ns) = (now, now_ns);
        }
    });
}

#[test]
fn a_panic_reaches_who_waits_and_nobody_else() {
    run(async {
        let doomed = task::spawn_local("doomed", async { panic!("expected by the test") });
        let healthy = task::spawn_local("healthy", async { 5 });
        let panicked = doomed.await.unwrap_err();
        assert_eq!((panicked.task, panicked.message.as_str()), ("doomed", "expected by the test"));
        assert_eq!(healthy.await.unwrap(), 5);
    });
}

#[test]
fn an_aborted_task_drops_what_it_holds() {
    run(async {
        let (held, released) = sync::oneshot::channel::<()>();
        let waiter = task::spawn_local("waiter", async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        task::yield_now().await;
        waiter.abort();
        assert!(released.await.is_err());
        assert!(waiter.await.is_err());
    });
}

#[test]
fn a_thread_runs_its_own_tasks_and_reports_its_end() {
    run(async {
        let (request, mut requests) = sync::mpsc::channel::<u32>(4);
        let worker = thread::spawn_runtime("worker", move || async move {
            let mut sum = 0;
            while let Some(number) = requests.recv().await {
                let local = Rc::new(number);
                sum += task::spawn_local("adder", async move { *local }).await.unwrap();
            }
            sum
        })
        .unwrap();
        for number in 1..=10 {
            request.send(number).await.unwrap();
        }
        drop(request);
        assert_eq!(worker.join().await.unwrap(), 55);
        let doomed = thread::spawn_runtime("doomed", || async { panic!("expected by the test") });
        assert!(doomed.unwrap().join().await.is_err());
    });
}

#[test]
fn files_are_replaced_whole_and_logs_grow() {
    run(async {
        let directory = Directory::fresh();
        let (a, b) = (directory.join("a.conf"), directory.join("b.conf"));
        fs::write_atomically(&a, b"one").unwrap();
        fs::write_atomically(&a, b"two").unwrap();
        assert_eq!(fs::read_to_string(&a).unwrap(), "two");
        for part in [b"x", b"y"] {
            fs::Appender::open(&b).unwrap().append(part).unwrap();
        }
        assert_eq!(fs::read(&b).unwrap(), b"xy");
        assert_eq!(fs::metadata(&b).unwrap().len, 2);
        assert!(fs::metadata(&directory).unwrap().is_dir);
        let pattern = directory.join("*.conf");
        assert_eq!(fs::glob(pattern.to_str().unwrap()).unwrap(), [a.clone(), b.clone()]);
        fs::remove(&a).unwrap();
        assert_eq!(fs::read(&a).unwrap_err().kind(), ErrorKind::NotFound);
        fs::remove(&b).unwrap();
        let nothing = fs::write_atomically(&directory.join("none").join("file"), b"");
        assert_eq!(nothing.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

fn read_file(path: &Path) -> Vec<u8> {
    let mut file = fs::File::open(path).unwrap();
    let (mut all, mut buffer) = (Vec::new(), [0; 1000]);
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return all,
            read => all.extend_from_slice(&buffer[..read]),
        }
    }
}

#[test]
fn a_file_is_written_read_moved_in_and_cut() {
    run(async {
        let directory = Directory::fresh();
        let path = directory.join("data");
        let mut file = fs::File::create(&path).unwrap();
        assert!(file.write(b"some").await.unwrap() > 0);
        file.seek(0).unwrap();
        let long: Vec<u8> = (0..5000u32).flat_map(u32::to_le_bytes).collect();
        file.write_all(&long).await.unwrap();
        file.sync_data().await.unwrap();
        assert_eq!(file.len().unwrap(), 20_000);
        assert_eq!(read_file(&path), long);
        file.seek(19_999).unwrap();
        let mut two = [7; 2];
        assert_eq!(file.read(&mut two).unwrap(), 1);
        assert_eq!((file.read(&mut two).unwrap(), two), (0, [0, 7]));
        file.set_len(3).await.unwrap();
        file.seek(5).unwrap();
        file.write_all(b"!").await.unwrap();
        file.set_len(7).await.unwrap();
        file.sync_all().await.unwrap();
        assert_eq!(read_file(&path), [0, 0, 0, 0, 0, b'!', 0]);
        fs::File::create(&path).unwrap();
        assert_eq!(read_file(&path), b"");
    });
}

#[test]
fn appending_begins_at_the_end_and_syncs_in_pieces() {
    run(async {
        let directory = Directory::fresh();
        let path = directory.join("log");
        for part in [b"one", b"two"] {
            let mut file = fs::File::append_to(&path).unwrap();
            file.sync_every(2);
            file.write_all(part).await.unwrap();
        }
        assert_eq!(read_file(&path), b"onetwo");
        let mut reading = fs::File::open(&path).unwrap();
        // EBADF.
        assert_eq!(reading.write(b"x").await.unwrap_err().raw_os_error(), Some(9));
    });
}

#[test]
fn names_come_and_go_while_files_stay_open() {
    run(async {
        let directory = Directory::fresh();
        let [a, b, c] = ["a", "b", "c"].map(|name| directory.join(name));
        let mut file = fs::File::create(&a).unwrap();
        file.write_all(b"1").await.unwrap();
        fs::write(&b, b"replaced").unwrap();
        let mut replaced = fs::File::open(&b).unwrap();
        fs::rename(&a, &b).await.unwrap();
        fs::link(&b, &c).await.unwrap();
        assert_eq!(fs::link(&b, &c).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        file.write_all(b"2").await.unwrap();
        assert_eq!((read_file(&b), read_file(&c)), (b"12".to_vec(), b"12".to_vec()));
        assert_eq!(replaced.read(&mut [0; 20]).unwrap(), 8);
        let file_of_2 = fs::Metadata { is_dir: false, len: 2 };
        let listed = [("b".into(), file_of_2), ("c".into(), file_of_2)];
        assert_eq!(fs::list(&directory).unwrap(), listed);
        fs::remove_file(&b).await.unwrap();
        fs::remove_file(&c).await.unwrap();
        fs::sync_dir(&directory).await.unwrap();
        file.write_all(b"3").await.unwrap();
        assert_eq!(file.len().unwrap(), 3);
        assert_eq!(fs::list(&directory).unwrap(), []);
    });
}

#[test]
fn what_is_not_there_cannot_be_found() {
    run(async {
        let directory = Directory::fresh();
        let (none, other) = (directory.join("none"), directory.join("other"));
        let kinds = [
            fs::File::open(&none).unwrap_err().kind(),
            fs::File::create(&none.join("file")).unwrap_err().kind(),
            fs::File::append_to(&none.join("file")).unwrap_err().kind(),
            fs::rename(&none, &other).await.unwrap_err().kind(),
            fs::remove_file(&none).await.unwrap_err().kind(),
            fs::link(&none, &other).await.unwrap_err().kind(),
            fs::sync_dir(&none).await.unwrap_err().kind(),
            fs::list(&none).unwrap_err().kind(),
        ];
        assert_eq!(kinds, [ErrorKind::NotFound; 8]);
    });
}

#[test]
fn entropy_differs_from_draw_to_draw() {
    run(async {
        assert_ne!(rng::seed(), rng::seed());
        let (mut a, mut b) = ([0; 32], [0; 32]);
        rng::fill(&mut a);
        rng::fill(&mut b);
        assert_ne!(a, b);
    });
}
