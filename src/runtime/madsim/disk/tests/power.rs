//! What a power failure leaves.

use std::pin::Pin;

use super::*;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a power failure leaves in file A, which durably had `before`, once `task` is done.
fn left(before: Option<Vec<u8>>, task: impl Fn() -> Task) -> BTreeSet<Option<Vec<u8>>> {
    outcomes(async |server: Server| {
        if let Some(before) = before.clone() {
            server.run(write_durably(A, before)).await;
        }
        server.run(task()).await;
        server.restart(Death::Power).await;
        server.get(A)
    })
}

fn sectors(fills: &[u8]) -> Vec<u8> {
    fills.iter().flat_map(|fill| [*fill; 512]).collect()
}

async fn overwrite(content: Vec<u8>) {
    let mut file = fs::File::append_to(Path::new(A)).unwrap();
    file.seek(0).unwrap();
    file.write_all(&content).await.unwrap();
}

async fn append(content: Vec<u8>) {
    fs::File::append_to(Path::new(A)).unwrap().write_all(&content).await.unwrap();
}

#[test]
fn what_is_synced_with_its_name_stays() {
    let left = left(None, || Box::pin(write_durably(A, vec![7; 2000])));
    assert_eq!(left, BTreeSet::from([Some(vec![7; 2000])]));
}

#[test]
fn a_dead_process_loses_nothing_it_wrote() {
    let left = outcomes(async |server: Server| {
        server.run(async { write(A, vec![7; 2000], false).await.unwrap() }).await;
        server.restart(Death::Process).await;
        server.get(A)
    });
    assert_eq!(left, BTreeSet::from([Some(vec![7; 2000])]));
}

#[test]
fn any_subset_of_written_sectors_stays_and_each_is_whole() {
    let left = left(Some(sectors(b"aaa")), || Box::pin(overwrite(sectors(b"bbb"))));
    let all: BTreeSet<_> = (0..8u8)
        .map(|bits| [1, 2, 4].map(|bit| if bits & bit == 0 { b'a' } else { b'b' }))
        .map(|fills| Some(sectors(&fills)))
        .collect();
    assert_eq!(left, all);
}

#[test]
fn a_later_write_can_stay_without_an_earlier_one() {
    let left = outcomes(async |server: Server| {
        server.run(write_durably(A, b"old".to_vec())).await;
        server.run(write_durably(B, b"old".to_vec())).await;
        server.run(overwrite(b"new".to_vec())).await;
        server.run(async { fs::write(Path::new("/data/c"), b"").unwrap() }).await;
        server.run(async { write(B, b"new".to_vec(), false).await.unwrap() }).await;
        server.restart(Death::Power).await;
        (server.get(A).unwrap() == b"new", server.get(B).unwrap() == b"new")
    });
    assert!(left.is_superset(&BTreeSet::from([(false, true), (true, false)])));
}

#[test]
fn appending_never_harms_what_is_synced_and_grows_by_data_zeros_or_garbage() {
    let left = left(Some(vec![7; 700]), || Box::pin(append(vec![8; 700])));
    let left: Vec<Vec<u8>> = left.into_iter().flatten().collect();
    assert!(left.iter().all(|content| content.len() >= 700 && content[..700] == [7; 700]));
    let tails: Vec<&[u8]> = left.iter().map(|content| &content[700..]).collect();
    let is = |wanted: &dyn Fn(&[u8]) -> bool| tails.iter().any(|tail| wanted(tail));
    assert!(is(&|tail| tail.is_empty()), "lost");
    assert!(is(&|tail| tail == [8; 700]), "kept");
    assert!(is(&|tail| tail == [0; 700]), "grown by zeros");
    assert!(is(&|tail| !tail.is_empty() && tail.len() < 700), "a length in between");
    assert!(is(&|tail| tail.iter().any(|byte| ![0, 8].contains(byte))), "garbage");
    assert!(is(&|tail| tail.len() == 700 && tail[0] == 0 && tail[699] == 8), "not a prefix");
}

#[test]
fn a_cut_can_be_lost() {
    let cut = || -> Task {
        Box::pin(async { fs::File::append_to(Path::new(A)).unwrap().set_len(512).await.unwrap() })
    };
    let left = left(Some(sectors(b"ab")), cut);
    assert_eq!(left, BTreeSet::from([Some(sectors(b"a")), Some(sectors(b"ab"))]));
}

#[test]
fn a_created_name_can_be_lost_though_the_file_is_synced() {
    let left = left(None, || Box::pin(async { write(A, b"synced".to_vec(), true).await.unwrap() }));
    assert_eq!(left, BTreeSet::from([None, Some(b"synced".to_vec())]));
}

#[test]
fn a_rename_is_lost_or_kept_but_never_torn() {
    let left = outcomes(async |server: Server| {
        server.run(write_durably(A, b"old".to_vec())).await;
        server.run(write_durably(B, b"new".to_vec())).await;
        server.run(async { fs::rename(Path::new(B), Path::new(A)).await.unwrap() }).await;
        server.restart(Death::Power).await;
        (server.get(A).unwrap(), server.get(B).is_some())
    });
    assert_eq!(left, BTreeSet::from([(b"old".to_vec(), true), (b"new".to_vec(), false)]));
}

#[test]
fn a_rename_kept_without_a_sync_can_show_an_empty_file() {
    let left = left(Some(b"old".to_vec()), || {
        Box::pin(async {
            write(B, b"new".to_vec(), false).await.unwrap();
            fs::rename(Path::new(B), Path::new(A)).await.unwrap();
            fs::sync_dir(Path::new("/data")).await.unwrap();
        })
    });
    assert!(left.contains(&Some(Vec::new())) && !left.contains(&Some(b"old".to_vec())));
}

#[test]
fn a_removal_can_be_lost_and_is_kept_by_a_sync_of_its_directory() {
    for (sync, expected) in
        [(false, BTreeSet::from([None, Some(b"old".to_vec())])), (true, BTreeSet::from([None]))]
    {
        let left = left(Some(b"old".to_vec()), || {
            Box::pin(async move {
                fs::remove_file(Path::new(A)).await.unwrap();
                if sync {
                    fs::sync_dir(Path::new("/data")).await.unwrap();
                }
            })
        });
        assert_eq!(left, expected);
    }
}

#[test]
fn a_file_of_two_names_keeps_either() {
    let left = outcomes(async |server: Server| {
        server.run(write_durably(A, b"linked".to_vec())).await;
        let relink = async {
            fs::link(Path::new(A), Path::new(B)).await.unwrap();
            fs::sync_dir(Path::new("/data")).await.unwrap();
            fs::remove_file(Path::new(A)).await.unwrap();
        };
        server.run(relink).await;
        server.restart(Death::Power).await;
        assert_eq!(server.get(B).unwrap(), b"linked");
        server.get(A).is_some()
    });
    assert_eq!(left, BTreeSet::from([false, true]));
}

#[test]
fn survivors_can_be_named_one_by_one() {
    world(1, async |server| {
        server.run(write_durably(A, sectors(b"aa"))).await;
        let change = async {
            overwrite(sectors(b"b")).await;
            write(B, b"new".to_vec(), false).await.unwrap();
        };
        server.run(change).await;
        // The name B; a sector of A; sector and length of B.
        assert_eq!(server.disk.unsynced(server.id), 4);
        let before = server.disk.image(server.id);
        let mut seen = BTreeSet::new();
        for bits in 0..16 {
            server.disk.insert(server.id, &before);
            server.disk.set_survivors(server.id, Survivors::Subset(bits));
            server.restart(Death::Power).await;
            let (a, b) = (server.get(A).unwrap(), server.get(B));
            assert_eq!(a[0] == b'b', bits & 2 != 0);
            assert_eq!(b.is_some(), bits & 1 != 0);
            seen.insert((a, b));
        }
        assert!(seen.contains(&(sectors(b"ba"), Some(b"new".to_vec()))));
        // Of B, if it is there: nothing, zeros, or all.
        assert_eq!(seen.len(), 2 * (1 + 3));
        for (survivors, b) in [(Survivors::All, Some(b"new".to_vec())), (Survivors::None, None)] {
            server.disk.insert(server.id, &before);
            server.disk.set_survivors(server.id, survivors);
            server.restart(Death::Power).await;
            assert_eq!(server.get(B), b);
        }
        server.disk.wipe(server.id);
        assert_eq!(server.get(A), None);
    });
}

#[test]
fn a_whole_file_is_replaced_or_not_at_every_moment_of_a_failure() {
    for seed in 0..40 {
        for count in 1..=5 {
            let left = world(seed, async |server| {
                server.run(write_durably(A, vec![1; 3000])).await;
                server.disk.crash_after(server.id, count);
                _ = server.start(async { fs::write_atomically(Path::new(A), &[2; 3000]) });
                server.disk.power_failure(server.id, 0).await;
                Handle::current().restart(server.id);
                server.get(A).unwrap()
            });
            assert!(left == [1; 3000] || left == [2; 3000], "operation {count} of seed {seed}");
        }
    }
}

#[test]
fn the_power_fails_in_the_middle_of_the_operation_that_is_named() {
    for (count, returned) in [(1, 0), (2, 1), (3, 2), (4, 3)] {
        world(3, async |server| {
            let progress = Arc::new(Mutex::new(0));
            let seen = progress.clone();
            server.disk.crash_after(server.id, count);
            _ = server.start(async move {
                // Opening does not wait, so it fails instead.
                let Ok(mut file) = fs::File::create(Path::new(A)) else { return };
                *seen.lock().unwrap() = 1;
                file.write_all(b"x").await.unwrap();
                *seen.lock().unwrap() = 2;
                file.sync_data().await.unwrap();
                *seen.lock().unwrap() = 3;
                fs::sync_dir(Path::new("/data")).await.unwrap();
                *seen.lock().unwrap() = 4;
            });
            server.disk.power_failure(server.id, 0).await;
            time::sleep(Duration::from_secs(1)).await;
            assert_eq!(*progress.lock().unwrap(), returned);
            assert_eq!(server.disk.operations(server.id), 1 + count, "and the one that made the world");
            Handle::current().restart(server.id);
            server.run(write_durably(A, b"again".to_vec())).await;
            assert_eq!(server.disk.failures(server.id), 1);
        });
    }
}

#[test]
fn a_planned_failure_can_be_taken_back() {
    world(4, async |server| {
        server.disk.crash_after(server.id, 1);
        server.disk.cancel_crash(server.id);
        server.run(write_durably(A, b"x".to_vec())).await;
        assert_eq!(server.disk.failures(server.id), 0);
    });
}

#[test]
fn a_process_killed_while_it_writes_has_written_or_not() {
    let left = outcomes(async |server: Server| {
        server.faults(|faults| faults.latency_us = (1000, 1000));
        server.run(write_durably(A, Vec::new())).await;
        let writing = server.start(append(b"all".to_vec()));
        time::sleep(Duration::from_micros(500)).await;
        server.restart(Death::Process).await;
        assert!(writing.await.is_err());
        server.get(A).unwrap()
    });
    assert_eq!(left, BTreeSet::from([Vec::new(), b"all".to_vec()]));
}

#[test]
fn what_a_dead_process_had_open_is_closed() {
    world(5, async |server| {
        server.run(write_durably(A, b"kept".to_vec())).await;
        let mut open = server.run(async { fs::File::append_to(Path::new(A)).unwrap() }).await;
        server.restart(Death::Process).await;
        let never = time::timeout(Duration::from_secs(1), open.write(b"from the grave")).await;
        assert!(never.is_err() && open.read(&mut [0]).is_err());
        assert_eq!(server.get(A).unwrap(), b"kept");
    });
}

#[test]
fn the_same_seed_leaves_the_same_bytes() {
    let run = |seed| {
        world(seed, async |server| {
            server.faults(|faults| {
                faults.short_writes = 500_000;
                faults.sync_errors = 300_000;
            });
            let change = async {
                for path in [A, B, A] {
                    _ = write(path, (0..5000u32).map(|byte| byte as u8).collect(), true).await;
                }
            };
            server.run(change).await;
            server.restart(Death::Power).await;
            (server.disk.trace_hash(), server.get(A), server.get(B))
        })
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
}
