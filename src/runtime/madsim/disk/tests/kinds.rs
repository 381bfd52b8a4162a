//! The kinds of faults are noted when they strike.

use super::*;

const ALWAYS: u32 = 1_000_000;

/// The kinds that happen on a disk with these faults: to who writes, reads and renames, or loses power.
fn fired(seed: u64, change: impl FnOnce(&mut DiskFaults), death: Option<Death>) -> Vec<FaultKind> {
    FaultKind::take_fired();
    world(seed, async |server: Server| {
        server.run(write_durably(A, vec![7; 4000])).await;
        server.faults(change);
        let working = async {
            // Whatever fails is the fault's affair.
            _ = write(B, vec![8; 3000], true).await;
            _ = fs::sync_dir(Path::new("/data")).await;
            _ = fs::read(Path::new(A));
            if let Ok(mut file) = fs::File::append_to(Path::new(A)) {
                _ = file.set_len(1000).await;
            }
            _ = write("/data/c", vec![9; 3000], false).await;
            _ = fs::rename(Path::new(B), Path::new("/data/d")).await;
            _ = fs::remove_file(Path::new("/data/d")).await;
            _ = fs::write(Path::new("/data/e"), b"later");
        };
        server.run(working).await;
        if let Some(death) = death {
            server.restart(death).await;
        }
    });
    FaultKind::take_fired()
}

#[test]
fn nothing_is_noted_on_a_good_disk() {
    assert_eq!(fired(1, |_| {}, None), []);
    assert_eq!(fired(1, |_| {}, Some(Death::Process)), []);
}

#[test]
fn what_an_operation_does_wrong_is_noted() {
    let noted = |kind: FaultKind, change: fn(&mut DiskFaults)| {
        let kinds = fired(2, change, None);
        assert!(kinds.contains(&kind), "{kind:?} is not among {kinds:?}");
    };
    noted(FaultKind::SyncError, |faults| faults.sync_errors = ALWAYS);
    noted(FaultKind::LyingSync, |faults| faults.lying_syncs = ALWAYS);
    noted(FaultKind::LyingSync, |faults| faults.lost_directory_syncs = ALWAYS);
    noted(FaultKind::WriteError, |faults| faults.write_errors = ALWAYS);
    noted(FaultKind::WriteError, |faults| faults.open_errors = ALWAYS);
    noted(FaultKind::WriteError, |faults| faults.name_errors = ALWAYS);
    noted(FaultKind::FullDisk, |faults| faults.capacity = Some(5_000));
    noted(FaultKind::ShortWrite, |faults| faults.short_writes = ALWAYS);
    noted(FaultKind::ShortRead, |faults| faults.short_reads = ALWAYS / 2);
    noted(FaultKind::ReadError, |faults| faults.read_errors = ALWAYS);
    noted(FaultKind::BitRot, |faults| faults.bit_rot = ALWAYS);
    noted(FaultKind::MisdirectedWrite, |faults| faults.misdirected_writes = ALWAYS);
    noted(FaultKind::MisdirectedRead, |faults| faults.misdirected_reads = ALWAYS);
    noted(FaultKind::Stall, |faults| (faults.stalls, faults.stall_us) = (ALWAYS, (1, 10)));
}

#[test]
fn what_a_power_failure_takes_is_noted() {
    let kinds = (0..60).flat_map(|seed| fired(seed, |_| {}, Some(Death::Power)));
    let kinds: BTreeSet<FaultKind> = kinds.collect();
    let expected = [
        FaultKind::LostData,
        FaultKind::TornPrefix,
        FaultKind::TornSubset,
        FaultKind::GarbageSector,
        FaultKind::Reordering,
        FaultKind::LostCreate,
        FaultKind::LostRename,
        FaultKind::LostUnlink,
        FaultKind::LostTruncate,
    ];
    assert_eq!(kinds, BTreeSet::from(expected));
}

#[test]
fn what_survives_whole_is_no_fault() {
    FaultKind::take_fired();
    world(3, async |server: Server| {
        server.disk.set_survivors(server.id, Survivors::All);
        server.run(async { write(A, vec![7; 4000], false).await.unwrap() }).await;
        server.restart(Death::Power).await;
        assert_eq!(server.get(A), Some(vec![7; 4000]));
        server.disk.set_survivors(server.id, Survivors::Subset(0b11));
        server.run(async { write(B, vec![7; 1500], false).await.unwrap() }).await;
        server.restart(Death::Power).await;
    });
    // The name and the first sector, and neither the others nor the length.
    assert_eq!(FaultKind::take_fired(), [FaultKind::LostData, FaultKind::TornPrefix]);
}

#[test]
fn a_process_that_dies_while_its_disk_works_is_noted() {
    let dies_after_us = |us| {
        FaultKind::take_fired();
        world(4, async |server: Server| {
            server.faults(|faults| faults.latency_us = (100, 100));
            drop(server.start(async { _ = write(A, vec![7; 100], false).await }));
            time::sleep(Duration::from_micros(us)).await;
            server.restart(Death::Process).await;
        });
        FaultKind::KillInOperation.has_fired()
    };
    assert!(dies_after_us(50) && !dies_after_us(500));
}
