//! The tool on files of every kind; texts as redis-check-aof 7.0.15 prints them.

use super::*;

fn folder(name: &str) -> PathBuf {
    let folder = fs::temporary(&format!("seedis-check-aof-{name}-{}", crate::runtime::process::pid()));
    fs::create_dir(&folder).unwrap();
    folder
}

fn command(words: &[&str]) -> String {
    let words: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{words}", words.matches('$').count())
}

/// What the tool prints, and whether it is content.
fn check(arguments: &[&str], file: &Path, answer: &str) -> (String, bool) {
    let arguments = arguments.iter().copied().chain([file.to_str().unwrap()]);
    let line: Vec<Vec<u8>> =
        ["redis-check-aof"].into_iter().chain(arguments).map(|word| word.into()).collect();
    let mut output = Vec::new();
    let mut input = answer.as_bytes();
    let outcome = Tool::new(&mut input, &mut output).run(&line);
    let folder = format!("{}/", file.parent().unwrap().display());
    (String::from_utf8(output).unwrap().replace(&folder, ""), outcome.is_ok())
}

#[test]
fn a_single_file() {
    let folder = folder("single");
    let file = folder.join("a.aof");
    let set = command(&["set", "foo", "hello"]);
    fs::write(&file, format!("{set}!!!").as_bytes()).unwrap();
    let found = "Start checking Old-Style AOF\n\
                 AOF a.aof format error\n\
                 AOF analyzed: filename=a.aof, size=36, ok_up_to=33, ok_up_to_line=8, diff=3\n";
    let invalid = format!("{found}AOF a.aof is not valid. Use the --fix option to try fixing it.\n");
    assert_eq!(check(&[], &file, ""), (invalid.clone(), false));
    let asked = format!(
        "{found}This will shrink the AOF a.aof from 36 bytes, with 3 bytes, to 33 bytes\nContinue? [y/N]: "
    );
    assert_eq!(check(&["--fix"], &file, "n\n"), (format!("{asked}Aborting...\n"), false));
    assert_eq!(check(&[], &file, ""), (invalid, false));
    assert_eq!(check(&["--fix"], &file, "y\n"), (format!("{asked}Successfully truncated AOF a.aof\n"), true));
    assert_eq!(fs::read(&file).unwrap(), set.as_bytes());
    let (text, fine) = check(&[], &file, "");
    assert!(fine && text.ends_with("ok_up_to_line=8, diff=0\nAOF a.aof is valid\n"), "{text}");
    fs::write(&file, &set.as_bytes()[..29]).unwrap();
    let (text, _) = check(&[], &file, "");
    assert!(text.contains("\n0x              1a: Expected to read 7 bytes, got 3 bytes\n"), "{text}");
    fs::write(&file, b"").unwrap();
    assert_eq!(check(&[], &file, ""), ("Start checking Old-Style AOF\nAOF a.aof is empty\n".into(), true));
    assert_eq!(
        check(&[], &folder.join("b"), ""),
        ("Cannot open file b: No such file or directory\n".into(), false)
    );
    assert!(check(&["--what"], &file, "").0.starts_with("Usage: redis-check-aof [--fix|--trunc"));
    assert_eq!(check(&["--truncate-to-timestamp", "x"], &file, "").0, "Invalid timestamp, aborting...\n");
}

#[test]
fn a_checksum_that_differs() {
    let file = folder("checksum").join("a.aof");
    let text = format!("{}#CRC:00000000\r\n", command(&["set", "foo", "hello"]));
    fs::write(&file, text.as_bytes()).unwrap();
    let (text, fine) = check(&[], &file, "");
    assert!(!fine && text.contains("0x              21: Checksum mismatch of the bytes from 0: "), "{text}");
    assert!(text.contains("size=48, ok_up_to=0,"), "{text}");
}

#[test]
fn files_of_a_manifest() {
    let folder = folder("manifest");
    let (manifest, last) = (folder.join("m"), folder.join("a.1.incr.aof"));
    let set = command(&["set", "foo", "hello"]);
    fs::write(&manifest, b"# ours\nfile a.1.base.aof seq 1 type b\nfile a.1.incr.aof seq 1 type i\n")
        .unwrap();
    fs::write(&folder.join("a.1.base.aof"), set.as_bytes()).unwrap();
    fs::write(&last, set.as_bytes()).unwrap();
    let analyzed = "size=33, ok_up_to=33, ok_up_to_line=8, diff=0\n";
    let expected = format!(
        "Start checking Multi Part AOF\nStart to check BASE AOF (RESP format).\n\
         AOF analyzed: filename=a.1.base.aof, {analyzed}BASE AOF a.1.base.aof is valid\n\
         Start to check INCR files.\n\
         AOF analyzed: filename=a.1.incr.aof, {analyzed}INCR AOF a.1.incr.aof is valid\n\
         All AOF files and manifest are valid\n"
    );
    assert_eq!(check(&[], &manifest, ""), (expected, true));
    fs::write(&folder.join("a.1.base.aof"), format!("{}{set}", command(&["multi"])).as_bytes()).unwrap();
    let (text, fine) = check(&["--fix"], &manifest, "y\n");
    assert!(
        !fine && text.contains("0x              30: Reached EOF before reading EXEC for MULTI\n"),
        "{text}"
    );
    assert!(
        text.ends_with("Failed to truncate AOF a.1.base.aof because it is not the last file\n"),
        "{text}"
    );
    fs::write(&manifest, b"file a.1.base.aof seq 1 type b\n!!!\n").unwrap();
    let (text, fine) = check(&[], &manifest, "");
    assert!(!fine && text.ends_with(">>> '!!!'\nInvalid AOF manifest file format\n"), "{text}");
}

#[test]
fn cutting_at_a_second() {
    let file = folder("second").join("a.aof");
    let unit = command(&["set", "foo", "hello"]);
    fs::write(&file, format!("#TS:10\r\n{unit}#TS:11\r\n{unit}#TS:12\r\n").as_bytes()).unwrap();
    let cut = |second: &str| check(&["--truncate-to-timestamp", second], &file, "");
    let (text, fine) = cut("12");
    assert!(fine && text.contains("Truncate nothing in AOF a.aof to timestamp 12\n"), "{text}");
    let (text, fine) = cut("10");
    assert!(fine && text.ends_with("Successfully truncated AOF a.aof to timestamp 10\n"), "{text}");
    assert_eq!(fs::read(&file).unwrap(), format!("#TS:10\r\n{unit}").as_bytes());
    let (text, fine) = cut("9");
    assert!(!fine && text.ends_with("AOF a.aof has nothing before timestamp 9, aborting...\n"), "{text}");
}

#[test]
fn commands_after_an_rdb_file() {
    let file = folder("preamble").join("a.aof");
    let mut text = b"REDIS0010\xff".to_vec();
    text.extend(crate::engine::text::crc64::crc64(&text).to_le_bytes());
    text.extend(command(&["set", "foo", "hello"]).into_bytes());
    fs::write(&file, &text).unwrap();
    let (printed, fine) = check(&[], &file, "");
    assert!(fine, "{printed}");
    assert!(printed.contains("RDB preamble is OK, proceeding with AOF tail...\nAOF analyzed: filename=a.aof, size=51, ok_up_to=51"), "{printed}");
    text[9] = 0xfb;
    fs::write(&file, &text).unwrap();
    let (printed, fine) = check(&[], &file, "");
    assert!(!fine && printed.ends_with("RDB preamble of AOF file is not sane, aborting.\n"), "{printed}");
}

#[test]
fn a_base_that_was_lost() {
    let folder = folder("lost");
    let (manifest, incremental) = (folder.join("m"), folder.join("a.1.incr.aof"));
    let list = |base: &str| {
        let text = format!("file {base} seq 1 type b\nfile a.1.incr.aof seq 1 type i\n");
        fs::write(&manifest, text.as_bytes()).unwrap();
    };
    let set = command(&["set", "foo", "hello"]);
    fs::write(&incremental, set.as_bytes()).unwrap();
    // Another server has no keys: their commands are no bytes.
    list("a.1.base.aof");
    fs::write(&folder.join("a.1.base.aof"), b"").unwrap();
    assert!(check(&[], &manifest, "").1);
    // This one says that there are none before anything follows.
    let mut own = Vec::new();
    let annotations = crate::engine::aof::frame::Annotations { time: false, checksums: true };
    crate::engine::aof::Writer::new().group([set.as_bytes()], 0, annotations, &mut own);
    fs::write(&incremental, &own).unwrap();
    let (text, fine) = check(&[], &manifest, "");
    assert!(!fine && text.contains("base file a.1.base.aof is damaged at offset 0: it is empty"), "{text}");
    // No snapshot is empty.
    list("a.1.base.rdb");
    fs::write(&incremental, b"").unwrap();
    fs::write(&folder.join("a.1.base.rdb"), b"").unwrap();
    let (text, fine) = check(&[], &manifest, "");
    assert!(!fine && text.contains("base file a.1.base.rdb is damaged at offset 0: it is empty"), "{text}");
}

#[test]
fn a_base_whose_first_bytes_are_others_is_not_cut_to_nothing() {
    let folder = folder("magic");
    let (manifest, base) = (folder.join("m"), folder.join("a.1.base.rdb"));
    fs::write(&manifest, b"file a.1.base.rdb seq 1 type b\n").unwrap();
    let bytes = b"SEDIS0010\xff\0\0\0\0\0\0\0\0";
    fs::write(&base, bytes).unwrap();
    let (text, fine) = check(&["--fix"], &manifest, "y\n");
    assert!(
        !fine && text.contains("base file a.1.base.rdb is damaged at offset 0: it does not begin"),
        "{text}"
    );
    assert!(text.contains("The 9 bytes that follow"), "{text}");
    assert_eq!(fs::read(&base).unwrap(), bytes);
}
