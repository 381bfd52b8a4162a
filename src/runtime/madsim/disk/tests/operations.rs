//! What single operations do wrong.

use super::*;

const ALWAYS: u32 = 1_000_000;
const EIO: Option<i32> = Some(5);
const ENOSPC: Option<i32> = Some(28);

async fn read(path: &'static str) -> io::Result<Vec<u8>> {
    fs::read(Path::new(path))
}

#[test]
fn opening_reading_and_writing_fail() {
    world(1, async |server| {
        server.run(write_durably(A, b"old".to_vec())).await;
        server.faults(|faults| faults.open_errors = ALWAYS);
        assert_eq!(code(server.run(read(A)).await), EIO);
        assert_eq!(code(server.run(write(B, b"".to_vec(), false)).await), EIO);
        assert_eq!(server.get(B), None);
        server.faults(|faults| faults.read_errors = ALWAYS);
        assert_eq!(code(server.run(read(A)).await), EIO);
        server.faults(|faults| faults.write_errors = ALWAYS);
        let writing = async {
            let mut file = fs::File::append_to(Path::new(A)).unwrap();
            (code(file.write(b"new").await), code(file.set_len(1).await))
        };
        assert_eq!(server.run(writing).await, (EIO, EIO));
        assert_eq!(server.get(A).unwrap(), b"old");
    });
}

#[test]
fn names_do_not_change_when_that_fails() {
    world(2, async |server| {
        server.run(write_durably(A, b"old".to_vec())).await;
        server.faults(|faults| faults.name_errors = ALWAYS);
        let changing = async {
            let (a, b) = (Path::new(A), Path::new(B));
            [code(fs::rename(a, b).await), code(fs::link(a, b).await), code(fs::remove_file(a).await)]
        };
        assert_eq!(server.run(changing).await, [EIO; 3]);
        assert_eq!((server.get(A), server.get(B)), (Some(b"old".to_vec()), None));
    });
}

#[test]
fn faults_come_as_often_as_told() {
    world(3, async |server| {
        server.run(write_durably(A, b"old".to_vec())).await;
        server.faults(|faults| faults.read_errors = 250_000);
        let reading = async {
            let mut file = fs::File::open(Path::new(A)).unwrap();
            (0..1000).filter(|_| file.read(&mut [0]).is_err()).count()
        };
        let failed = server.run(reading).await;
        assert!((200..300).contains(&failed), "{failed}");
    });
}

#[test]
fn a_failed_sync_drops_pages_and_the_next_one_does_not_tell() {
    let left = outcomes(async |server: Server| {
        server.run(write_durably(A, vec![1; 1024])).await;
        server.faults(|faults| faults.sync_errors = ALWAYS);
        let mut file = server.run(async { fs::File::append_to(Path::new(A)).unwrap() }).await;
        file.seek(0).unwrap();
        file.write_all(&[2; 1024]).await.unwrap();
        assert_eq!(code(file.sync_data().await), EIO);
        server.faults(|_| {});
        file.sync_data().await.unwrap();
        let cached = server.get(A).unwrap();
        server.restart(Death::Power).await;
        let media = server.get(A).unwrap();
        assert!(media.contains(&1), "something was lost");
        (cached == [2; 1024], media == [1; 1024])
    });
    // The cache may show what is lost, or not; all may be lost, or some.
    for (cached, media) in [(true, true), (true, false), (false, true), (false, false)] {
        assert!(left.contains(&(cached, media)), "{cached} {media}");
    }
}

#[test]
fn a_sync_can_lie() {
    let left = outcomes(async |server: Server| {
        server.run(write_durably(A, b"old".to_vec())).await;
        server.faults(|faults| faults.lying_syncs = ALWAYS);
        server.run(write_durably(A, b"new".to_vec())).await;
        server.restart(Death::Power).await;
        server.get(A).unwrap()
    });
    assert!(left.contains(b"old".as_slice()) && left.contains(b"new".as_slice()));
}

#[test]
fn a_sync_of_a_directory_can_fail_or_be_lost() {
    world(4, async |server| {
        server.faults(|faults| faults.sync_errors = ALWAYS);
        let syncing = async { code(fs::sync_dir(Path::new("/data")).await) };
        assert_eq!(server.run(syncing).await, EIO);
    });
    let left = outcomes(async |server: Server| {
        server.faults(|faults| faults.lost_directory_syncs = ALWAYS);
        server.run(write_durably(A, b"new".to_vec())).await;
        server.restart(Death::Power).await;
        server.get(A)
    });
    assert_eq!(left, BTreeSet::from([None, Some(b"new".to_vec())]));
}

#[test]
fn a_full_disk_takes_what_fits_and_more_once_there_is_room() {
    world(5, async |server| {
        server.faults(|faults| faults.capacity = Some(2048));
        server.run(write_durably(B, vec![1; 512])).await;
        let filling = async {
            let mut file = fs::File::create(Path::new(A)).unwrap();
            let outcome = file.write_all(&[2; 2000]).await;
            (file, code(outcome))
        };
        let (mut file, outcome) = server.run(filling).await;
        assert_eq!(outcome, ENOSPC);
        assert_eq!(file.len().unwrap(), 1536);
        // No room for another, but what is there can be written over.
        let more = async { code(fs::write(Path::new("/data/c"), b"")) };
        assert_eq!(server.run(more).await, ENOSPC);
        file.seek(0).unwrap();
        file.write_all(&[3; 1536]).await.unwrap();
        server.run(async { fs::remove_file(Path::new(B)).await.unwrap() }).await;
        file.write_all(&[4; 464]).await.unwrap();
        assert_eq!(file.len().unwrap(), 2000);
    });
}

#[test]
fn writes_and_reads_can_be_short() {
    world(6, async |server| {
        server.faults(|faults| {
            faults.short_writes = 500_000;
            faults.short_reads = 500_000;
        });
        let content: Vec<u8> = (0..10_000u32).map(|byte| (byte % 251) as u8).collect();
        server.run(write(A, content.clone(), true)).await.unwrap();
        assert_eq!(server.run(read(A)).await.unwrap(), content);
        server.faults(|faults| {
            faults.short_writes = ALWAYS;
            faults.short_reads = ALWAYS;
        });
        let counting = async {
            let mut file = fs::File::create(Path::new(B)).unwrap();
            let written = file.write(&[1; 100]).await.unwrap();
            file.seek(0).unwrap();
            (written, file.read(&mut [0; 100]).unwrap())
        };
        let (written, read) = server.run(counting).await;
        assert!((1..100).contains(&written) && (1..=written).contains(&read));
    });
}

async fn duration_us(server: &Server) -> u64 {
    let mut file = server.run(async { fs::File::append_to(Path::new(A)).unwrap() }).await;
    let start = time::now().mono_us;
    file.write(b"x").await.unwrap();
    file.sync_data().await.unwrap();
    time::now().mono_us - start
}

#[test]
fn operations_take_their_time() {
    world(7, async |server| {
        server.faults(|faults| {
            faults.latency_us = (1_000, 2_000);
            faults.sync_latency_us = (10_000, 20_000);
        });
        let spent = duration_us(&server).await;
        assert!((11_000..22_010).contains(&spent), "{spent}");
    });
}

#[test]
fn an_operation_can_hang_for_seconds_while_others_go_on() {
    world(8, async |server| {
        server.faults(|faults| {
            faults.stalls = ALWAYS;
            faults.stall_us = (5_000_000, 6_000_000);
        });
        let (other, start) = (server.clone(), time::now().mono_us);
        let hanging = server.start(async move { duration_us(&other).await });
        time::sleep(Duration::from_millis(1)).await;
        assert!(time::now().mono_us - start < 10_000);
        let spent = hanging.await.unwrap();
        assert!((10_000_000..12_100_000).contains(&spent), "{spent}");
    });
}

fn flipped_bits(a: &[u8], b: &[u8]) -> u32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

#[test]
fn a_bit_rots_and_stays_rotten() {
    world(9, async |server| {
        let content = vec![0x55; 3000];
        server.run(write_durably(A, content.clone())).await;
        server.faults(|faults| faults.bit_rot = ALWAYS);
        let mut buffer = [0; 3000];
        let mut file = server.run(async { fs::File::open(Path::new(A)).unwrap() }).await;
        file.read(&mut buffer).unwrap();
        assert_eq!(flipped_bits(&buffer, &content), 1);
        server.faults(|_| {});
        server.restart(Death::Power).await;
        assert_eq!(server.get(A).unwrap(), buffer);
        server.disk.flip_bit(server.id, Path::new(A), 17);
        assert_eq!(server.get(A).unwrap()[2], buffer[2] ^ 2);
    });
}

#[test]
fn a_misdirected_read_is_given_another_sector_once() {
    let left = outcomes(async |server: Server| {
        server.run(write_durably(A, [[1; 512], [2; 512], [3; 512]].concat())).await;
        server.faults(|faults| faults.misdirected_reads = ALWAYS);
        let mut file = server.run(async { fs::File::open(Path::new(A)).unwrap() }).await;
        let mut buffer = [0; 100];
        file.read(&mut buffer).unwrap();
        server.faults(|_| {});
        file.seek(0).unwrap();
        assert_eq!((file.read(&mut [0; 100]).unwrap(), server.get(A).unwrap()[0]), (100, 1));
        buffer[0]
    });
    assert_eq!(left, BTreeSet::from([1, 2, 3]));
}

#[test]
fn a_misdirected_write_hides_behind_the_cache() {
    let left = outcomes(async |server: Server| {
        server.run(write_durably(A, vec![1; 2048])).await;
        server.run(write_durably(B, vec![2; 2048])).await;
        server.faults(|faults| faults.misdirected_writes = ALWAYS);
        let mut file = server.run(async { fs::File::append_to(Path::new(A)).unwrap() }).await;
        file.seek(512).unwrap();
        file.write_all(&[3; 512]).await.unwrap();
        file.sync_data().await.unwrap();
        assert_eq!((server.get(A).unwrap()[512], server.get(B).unwrap()), (3, vec![2; 2048]));
        server.disk.drop_caches(server.id);
        let find = |path| server.get(path).unwrap().iter().position(|byte| *byte == 3);
        (find(A), find(B))
    });
    let (here, there): (Vec<_>, Vec<_>) = left.into_iter().partition(|(a, _)| a.is_some());
    assert!(here.iter().any(|(a, _)| *a != Some(512)) && !there.is_empty());
    assert!(there.iter().all(|(_, b)| b.is_some_and(|at| at % 512 == 0)));
}
