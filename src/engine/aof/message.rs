//! What is logged about the append-only file, in Redis's words: operators and tools search for them.
//!
//! Names are those of files as the manifest has them. Errors of the system come as text.

use super::scan::Damage;
use std::fmt::Display;

fn name(name: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(name)
}

/// Declares functions that put names of files and other values into a text; a value is its own placeholder.
macro_rules! messages {
    ($($(#[$doc:meta])* $function:ident($($file:ident),*; $($value:ident),*) = $text:literal;)*) => {
        $($(#[$doc])* pub fn $function($($file: &[u8],)* $($value: impl Display),*) -> String {
            $(let $file = name($file);)*
            format!($text)
        })*
    };
}

messages! {
    // The manifest and the directory.

    /// Fatal: the manifest cannot be opened.
    manifest_unreadable(file; error) = "Fatal error: can't open the AOF manifest file {file} for reading: {error}";
    /// The manifest's temporary file cannot be made.
    manifest_temporary_open(file; error) = "Can't open the temporary manifest file {file}: {error}";
    /// The manifest cannot be written.
    manifest_temporary_write(file; error) = "Error trying to write the temporary manifest file {file}: {error}";
    /// The manifest cannot be made durable.
    manifest_temporary_fsync(file; error) = "Fail to fsync the temporary manifest file {file}: {error}.";
    /// The manifest cannot replace the old one.
    manifest_rename(from, to; error) = "Error trying to rename the temporary manifest file {from} into {to}: {error}";
    /// The directory cannot be made durable.
    manifest_directory_fsync(directory; error) = "Fail to fsync manifest directory {directory}: {error}.";
    /// The directory cannot be made.
    directory_create(directory; error) = "Can't open or create append-only dir {directory}: {error}";
    /// Fatal: the single file of Redis before 7 cannot be moved.
    adopt_failed(file, directory; error) = "Error trying to move the old AOF file {file} into dir {directory}: {error}";
    /// Notice: it was moved.
    adopted(file, directory;) = "Successfully migrated an old-style AOF file ({file}) into the AOF directory ({directory}).";
    /// Notice: a file is deleted after a rewrite.
    removing_history(file;) = "Removing the history file {file} in the background";
    /// Notice: the first rewrite failed.
    removing_temporary(file;) = "Removing the temp incr aof file {file} in the background";

    // At the start.

    /// Notice.
    creating_base(file;) = "Creating AOF base file {file} on server start";
    /// Notice.
    opening_incremental(file;) = "Opening AOF incr file {file} on server start";
    /// Notice.
    creating_incremental(file;) = "Creating AOF incr file {file} on server start";
    /// A file cannot be opened to be appended to.
    open_failed(file; error) = "Can't open the append-only file {file}: {error}";
    /// Fatal: a file that the manifest names is missing.
    no_length(file; error) = "Unable to obtain the AOF file {file} length. stat: {error}";
    /// Fatal: a file cannot be opened.
    unreadable(file; error) = "Fatal error: can't open the append log file {file} for reading: {error}";
    /// A file vanished.
    missing(file; error) = "The append log file {file} doesn't exist: {error}";
    /// Fatal: a file cannot be read.
    read_failed(file; error) = "Unrecoverable error reading the append only file {file}: {error}";
    /// Fatal: an RDB file in front of commands is damaged.
    preamble_failed(file;) = "Error reading the RDB preamble of the AOF file {file}, AOF loading aborted";
    /// Fatal: a base in RDB format is damaged.
    base_failed(file;) = "Error reading the RDB base file {file}, AOF loading aborted";
    /// Fatal: a base has no data although there must be some.
    lost_base(file;) = "The AOF base file {file} is damaged at offset 0: it is empty, its data is lost. The files that follow it hold what was written since: they load alone when the line of {file} is taken out of the manifest.";
    /// Fatal: a base of which `rest` bytes follow those that say what it is.
    no_rdb_magic(file; rest) = "The AOF base file {file} is damaged at offset 0: it does not begin as an RDB file, which its name says it is. The {rest} bytes that follow may be whole: once its first 9 bytes are those of another base, redis-check-rdb says how far.";
    /// Fatal: a file gave other bytes than before.
    read_otherwise(file; offset) = "Unrecoverable error reading the append only file {file}: the bytes at offset {offset} are others than a moment ago";
    /// Notice; `seconds` has three digits after the point.
    loaded_base(file; seconds) = "DB loaded from base file {file}: {seconds} seconds";
    /// Notice; `seconds` has three digits after the point.
    loaded_incremental(file; seconds) = "DB loaded from incr file {file}: {seconds} seconds";
    /// Notice after all files; `seconds` has three digits after the point.
    loaded(; seconds) = "DB loaded from append only file: {seconds} seconds";

    // Damage: see `recovery`.

    /// The file ends within a transaction.
    revert_transaction(file;) = "Revert incomplete MULTI/EXEC transaction in AOF file {file}";
    /// The end is missing, and that is accepted.
    short_read(file;) = "!!! Warning: short read while loading the AOF file {file}!!!";
    /// Where it is cut.
    truncating(file; offset) = "!!! Truncating the AOF {file} at offset {offset} !!!";
    /// It was cut.
    loaded_truncated(file;) = "AOF {file} loaded anyway because aof-load-truncated is enabled";
    /// Fatal: the end is missing.
    unexpected_end(file;) = "Unexpected end of file reading the append only file {file}. You can: 1) Make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' configuration option to yes and restart the server.";
    /// Where a damaged end is cut.
    truncating_corrupt(file; offset, dropped) = "!!! Truncating the AOF {file} at offset {offset} (remaining {dropped}) !!!";
    /// It was cut.
    loaded_corrupt(file;) = "AOF {file} loaded anyway because aof-load-corrupt-tail-max-size is enabled";
    /// A file cannot be cut.
    truncate_failed(file; error) = "Error truncating the AOF file {file}: {error}";

    // While it is written.

    /// Writing failed.
    write_failed(; error) = "Error writing to the AOF file: {error}";
    /// What was written in part cannot be cut off.
    short_write_kept(; error) = "Could not remove short write from the append-only file.  Redis may refuse to load the AOF the next time it starts.  ftruncate: {error}";
    /// A fsync failed.
    fsync_failed(; error) = "Fail to fsync the AOF file: {error}";

    // Rewriting.

    /// Notice.
    creating_for_rewrite(file;) = "Creating AOF incr file {file} on background rewrite";
    /// Notice: the base is written.
    rewrite_written(file;) = "Successfully created the temporary AOF base file {file}";
    /// Notice: the base has its name.
    rewrite_renamed(from, to;) = "Successfully renamed the temporary AOF base file {from} into {to}";
    /// The base cannot get its name.
    rewrite_rename_failed(from, to; error) = "Error trying to rename the temporary AOF base file {from} into {to}: {error}";
}

/// Notice: a file of Redis before 7 begins with a snapshot.
pub const READING_PREAMBLE: &str = "Reading RDB preamble from AOF file...";
/// Notice: a base is a snapshot.
pub const READING_BASE: &str = "Reading RDB base file on AOF loading...";
/// Notice: commands follow the snapshot of a file of Redis before 7.
pub const READING_TAIL: &str = "Reading the remaining AOF tail...";
/// Fatal: a file is damaged and others follow.
pub const NOT_LAST: &str = "Fatal error: the truncated file is not the last file";
/// The end is damaged, and that is accepted.
pub const CORRUPT_TAIL: &str = "!!! Warning: corrupt AOF file tail!!!";

/// Fatal: a file is damaged. `dropped` bytes follow what is good.
pub fn bad_format(file: &[u8], good: u64, dropped: u64) -> String {
    // Redis asks for as many bytes as follow, which its own rule (fewer than that) then refuses.
    let (file, enough) = (name(file), dropped.saturating_add(1));
    format!(
        "Bad file format reading the append only file {file} at offset {good}. \
         Make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>. \
         Alternatively you can set the 'aof-load-corrupt-tail-max-size' configuration option to {enough} \
         and restart the server."
    )
}

/// What was found, where, what is kept and what is not.
pub fn damage(file: &[u8], damage: &Damage, dropped: u64) -> String {
    let Damage { offset, good, problem, .. } = damage;
    let file = name(file);
    format!("AOF {file} is damaged at offset {offset}: {problem}. {good} bytes are good, {dropped} follow.")
}
