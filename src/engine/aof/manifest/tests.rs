//! Manifests as Redis takes, refuses and writes them.

use super::*;
use proptest::prelude::*;

const PREFIX: &[u8] = b"appendonly.aof";

fn parse(text: &str) -> Result<Manifest, Error> {
    Manifest::parse(PREFIX, text.as_bytes())
}

fn problem(text: &str) -> Problem {
    parse(text).unwrap_err().problem
}

fn text(manifest: &Manifest) -> String {
    String::from_utf8(manifest.serialize()).unwrap()
}

#[test]
fn what_redis_writes_reads_back() {
    let lines = "file appendonly.aof.2.base.rdb seq 2 type b\n\
                 file appendonly.aof.1.incr.aof seq 1 type h\n\
                 file appendonly.aof.2.incr.aof seq 2 type i\n\
                 file appendonly.aof.4.incr.aof seq 4 type i\n";
    let manifest = parse(lines).unwrap();
    assert_eq!(text(&manifest), lines);
    let names: Vec<_> = manifest.files().map(|file| file.seq).collect();
    assert_eq!(names, [2, 2, 4]);
    assert_eq!(manifest.history().len(), 1);
}

/// A name may be short enough to be read and, in the quotes it needs, too long to be written.
#[test]
fn what_cannot_be_written_is_not_read() {
    let line = |length| [b"file ", &b"\xff".repeat(length)[..], b" seq 1 type i\n"].concat();
    for length in 200..400 {
        let refused = match Manifest::parse(PREFIX, &line(length)) {
            Ok(manifest) => {
                assert_eq!(Manifest::parse(PREFIX, &manifest.serialize()), Ok(manifest));
                false
            }
            Err(error) => {
                assert_eq!(error.problem, Problem::LineTooLong);
                assert_eq!(error.line.unwrap().0, 1);
                true
            }
        };
        assert_eq!(refused, length > 250, "{length}");
    }
}

/// What redis-server 7.0.15 and 8.10 take, as tried on them.
#[test]
fn lines_that_redis_takes() {
    let plain = "file appendonly.aof.1.incr.aof seq 1 type i\n";
    let expected = parse(plain).unwrap();
    for line in [
        "file \"appendonly.aof.1.incr.aof\" seq 1 type i\n",
        "FILE appendonly.aof.1.incr.aof SEQ 1 TYPE i\n",
        "file appendonly.aof.1.incr.aof seq 1x type incr\n",
        "  file appendonly.aof.1.incr.aof seq 1 type i  \r\n",
        "seq 1 type i file appendonly.aof.1.incr.aof\n",
        "file appendonly.aof.1.incr.aof seq 1 type i startoffset 0 endoffset 12\n",
        "file other file appendonly.aof.1.incr.aof seq 1 type i\n",
        "# a comment\nfile appendonly.aof.1.incr.aof seq 1 type i\n# and another\n",
    ] {
        assert_eq!(parse(line).unwrap(), expected, "{line}");
    }
    let longest = format!("{}{}\n", &plain[..plain.len() - 1], " x y".repeat(245));
    assert_eq!(longest.len(), LINE_MAX);
    assert_eq!(parse(&longest).unwrap(), expected);
    assert!(parse("# nothing else\n").unwrap().is_empty());
}

#[test]
fn lines_that_redis_refuses() {
    let good = "file a.1.incr.aof seq 1 type i\n";
    assert_eq!(problem(""), Problem::Empty);
    for line in [
        "\n",
        "filx a seq 1 type b\n",
        "file a type i\n",
        "file a seq 1 type i newkey\n",
        "file a seq 0 type i\n",
        "file a seq x type i\n",
        "file a seq 9223372036854775807 type i\n",
        "file x seq 1 seq 2\n",
        "file \"a seq 1 type i\n",
        " # no comment\n",
        "!!!\n",
    ] {
        assert_eq!(problem(&format!("{good}{line}")), Problem::Format, "{line}");
    }
    assert_eq!(problem("file a seq 1 type x\n"), Problem::Type);
    assert_eq!(problem("file a seq -1 type i\n"), Problem::Sequence);
    assert_eq!(problem("file b seq 2 type i\nfile a seq 1 type i\n"), Problem::Sequence);
    assert_eq!(problem("file a seq 1 type b\nfile b seq 2 type b\n"), Problem::DuplicateBase);
    for line in ["file a seq 1 type i", "file a seq 1 type i\0\n", &format!("{} \n", "x y ".repeat(256))] {
        assert_eq!(problem(line), Problem::LineTooLong, "{line}");
    }
    for name in ["a/b", "a\\b", "..", ".", "\"\"", "\"a\\x00\""] {
        assert_eq!(problem(&format!("file {name} seq 1 type i\n")), Problem::Path, "{name}");
    }
}

#[test]
fn errors_are_logged_as_redis_does() {
    let error = parse("file a seq 1 type i\n  file a/b seq 1 type i\n").unwrap_err();
    assert_eq!(
        error.log(),
        [
            "*** FATAL AOF MANIFEST FILE ERROR ***",
            "Reading the manifest file, at line 2",
            ">>> 'file a/b seq 1 type i'",
            "File can't be a path, just a filename",
        ]
    );
    assert_eq!(
        parse("").unwrap_err().log(),
        ["*** FATAL AOF MANIFEST FILE ERROR ***", "Found an empty AOF manifest"]
    );
}

/// The course of events that Redis's own suite goes through.
#[test]
fn rewrites_make_history() {
    let mut manifest = Manifest::new(PREFIX);
    manifest.replace_base(Format::Rdb, 1);
    manifest.open_incremental();
    assert_eq!(
        text(&manifest),
        "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"
    );
    for _ in 0..2 {
        let since = manifest.open_incremental().seq;
        manifest.replace_base(Format::Rdb, since);
    }
    assert_eq!(
        text(&manifest),
        "file appendonly.aof.3.base.rdb seq 3 type b\n\
         file appendonly.aof.2.incr.aof seq 2 type h\n\
         file appendonly.aof.2.base.rdb seq 2 type h\n\
         file appendonly.aof.1.incr.aof seq 1 type h\n\
         file appendonly.aof.1.base.rdb seq 1 type h\n\
         file appendonly.aof.3.incr.aof seq 3 type i\n"
    );
    assert_eq!(parse(&text(&manifest)).unwrap(), manifest);
    manifest.forget_history();
    // Rewrites that fail leave incremental files.
    manifest.open_incremental();
    manifest.open_incremental();
    let since = manifest.open_incremental().seq;
    manifest.open_incremental();
    manifest.close_incremental(7);
    manifest.replace_base(Format::Commands, since);
    assert_eq!(
        text(&manifest),
        "file appendonly.aof.4.base.aof seq 4 type b\n\
         file appendonly.aof.3.incr.aof seq 3 type h\n\
         file appendonly.aof.4.incr.aof seq 4 type h\n\
         file appendonly.aof.5.incr.aof seq 5 type h\n\
         file appendonly.aof.3.base.rdb seq 3 type h\n\
         file appendonly.aof.6.incr.aof seq 6 type i\n"
    );
}

#[test]
fn the_single_file_of_former_versions_is_adopted() {
    let mut manifest = Manifest::new(PREFIX);
    assert!(manifest.adopts_single_file(false) && manifest.adopts_single_file(true));
    manifest.adopt_single_file();
    assert_eq!(text(&manifest), "file appendonly.aof seq 1 type b\n");
    // Interrupted before the file was moved, and after.
    assert!(manifest.adopts_single_file(false) && !manifest.adopts_single_file(true));
    manifest.open_incremental();
    assert!(!manifest.adopts_single_file(false));
    let since = manifest.open_incremental().seq;
    manifest.replace_base(Format::Rdb, since);
    assert_eq!(
        manifest.files().map(|file| file.name.clone()).collect::<Vec<_>>(),
        [&b"appendonly.aof.2.base.rdb"[..], b"appendonly.aof.2.incr.aof"]
    );
}

#[test]
fn a_name_is_not_given_twice() {
    let mut manifest = parse("file appendonly.aof.1.base.rdb seq 1 type h\n").unwrap();
    assert_eq!(manifest.replace_base(Format::Rdb, 0).seq, 2);
    assert_eq!(parse("file a seq -7 type b\n").unwrap().replace_base(Format::Rdb, 0).seq, 1);
}

#[test]
fn names() {
    assert_eq!(manifest_name(PREFIX), b"appendonly.aof.manifest");
    assert_eq!(temporary_manifest_name(PREFIX), b"temp-appendonly.aof.manifest");
    assert_eq!(temporary_incremental_name(PREFIX), b"temp-appendonly.aof.incr");
    assert_eq!(temporary_base_name(7), b"temp-rewriteaof-bg-7.aof");
    let mut odd = Manifest::new(b" file seq \n\n.aof ");
    odd.open_incremental();
    assert_eq!(text(&odd), "file \" file seq \\n\\n.aof .1.incr.aof\" seq 1 type i\n");
}

proptest! {
    #[test]
    fn any_prefix_reads_back(prefix in prop::collection::vec(any::<u8>().prop_filter("no path", |b| !b"/\\\0".contains(b)), 1..40), rewrites in 0..4) {
        let mut manifest = Manifest::new(&prefix);
        manifest.adopt_single_file();
        prop_assume!(!is_path(&prefix));
        for _ in 0..rewrites {
            let since = manifest.open_incremental().seq;
            manifest.replace_base(Format::Commands, since);
        }
        prop_assert_eq!(Manifest::parse(&prefix, &manifest.serialize()).unwrap(), manifest);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(file|seq|type|[abhi]|-?[0-9]{1,20}|[ \n\"'#\\\\\0x]){0,60}") {
        if let Ok(manifest) = parse(&text) {
            prop_assert_eq!(Manifest::parse(PREFIX, &manifest.serialize()).unwrap_or(Manifest::new(PREFIX)), manifest);
        }
    }
}
