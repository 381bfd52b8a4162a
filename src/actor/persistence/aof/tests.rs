//! The writer, alone with its file.

use super::*;
use crate::engine::aof::scan::Item;
use crate::engine::aof::{Scanner, checksum};
use crate::engine::protocol::request;
use crate::runtime::sync::oneshot;
use crate::runtime::testing::{Directory as Fresh, run};

/// While it waits for a medium gigabytes may come: they are not copied all at once.
#[test]
fn what_has_piled_up_is_written_in_groups() {
    run(async {
        let fresh = Fresh::fresh();
        let path = fresh.to_path_buf();
        let directory = Directory { path, prefix: b"a".to_vec(), keep_history: false };
        let mut manifest = Manifest::new(b"a");
        let place = directory.file(&manifest.open_incremental().name);
        let file = fs::File::create(&place).expect("a file");
        let opened = Opened { directory, manifest, file, frame: Writer::new(), is_listed: true };
        let policy = Policy {
            fsync: Appendfsync::Always,
            timestamps: false,
            checksums: true,
            spare_saves: false,
            keep_history: false,
        };
        let (reports, mut reported) = mpsc::unbounded_channel();
        let (messages, inbox) = mpsc::unbounded_channel();
        let (mut end, mut sent) = (0, Vec::new());
        for size in [GROUP / 4, GROUP / 4, GROUP / 4, GROUP, 10, 2 * GROUP] {
            let mut bytes = Vec::new();
            request::encode(&mut bytes, [b"SET", b"k".as_slice(), &vec![b'v'; size]].into_iter());
            end += bytes.len() as u64;
            sent.push(bytes.clone());
            messages.send(ToAof::Append { bytes, end }).expect("it listens");
        }
        let (done, closed) = oneshot::channel();
        messages.send(ToAof::Close(done)).expect("it listens");
        Log::new(opened, 0, policy, reports).run(inbox).await;
        assert_eq!(closed.await, Ok(Ok(())));
        let mut durable = 0;
        while let Ok(FromAof::Durable { position, .. }) = reported.try_recv() {
            durable = position;
        }
        assert_eq!(durable, end);

        let bytes = fs::read(&place).expect("the file");
        let mut scanner = Scanner::new(0, bytes.len() as u64);
        scanner.push(&bytes);
        let (mut commands, mut groups) = (0, 0);
        while let Some(item) = scanner.next().expect("it is whole") {
            match item {
                Item::Command(_) => commands += 1,
                Item::Annotation(line) => groups += usize::from(line == checksum::GROUP),
                Item::Preamble => panic!("no snapshot is there"),
            }
        }
        assert!(scanner.finish().is_ok());
        // Three, one, one that is too short for a mark, one; or each alone, where that was chosen.
        assert!(commands == sent.len() && (3..=5).contains(&groups), "{commands} {groups}");
    });
}
