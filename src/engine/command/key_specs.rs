//! Which arguments of a call are keys, and how the command uses them: from the key specifications of
//! its row. COMMAND GETKEYS, ACL and routing by slot ask here.

use super::Command;
use crate::engine::protocol::Args;
use crate::engine::spec::{Begin, CallKey, Categories, Find, Flags, KeyFlags, Keys};
use crate::engine::text::number::parse_i64;

/// The positions that COMMAND gives for clients that know no key specifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegacyRange {
    /// The first key; 0 if there is none.
    pub first: i64,
    /// The last key; negative counts from the end.
    pub last: i64,
    /// Distance between keys.
    pub step: i64,
    /// There are keys elsewhere, which only COMMAND GETKEYS finds.
    pub movable: bool,
}

/// The keys of a call, in order of the specifications; `None` if the arguments make no sense.
pub fn keys_of(row: &Command, args: Args) -> Option<Vec<CallKey>> {
    let mut keys = Vec::new();
    find_keys(row, args, &mut keys)?;
    (!keys.is_empty() || row.categories.has(Categories::SCRIPTING)).then_some(keys)
}

/// The same into `keys`, which is empty; of arguments that make no sense, what makes some. No key that the command
/// will use is ever missing: ACL rules rely on it.
pub fn find_keys(row: &Command, args: Args, keys: &mut Vec<CallKey>) -> Option<()> {
    match row.name {
        "MIGRATE" => {
            keys.extend(migrated(row, args)?);
            return Some(());
        }
        "XREAD" | "XREADGROUP" => return streams(row, args, keys),
        _ => {}
    }
    for spec in row.keys {
        if spec.flags.has(KeyFlags::NOT_KEY) {
            continue;
        }
        let Some(first) = begin(spec, args) else { continue };
        find(spec, first, args, keys)?;
    }
    match row.name {
        "SORT" => keys.extend(sort_destination(row, args)),
        "GEORADIUS" | "GEORADIUSBYMEMBER" => repeated_destinations(row, args, keys),
        _ => {}
    }
    if row.keys.iter().any(|spec| spec.flags.has(KeyFlags::VARIABLE_FLAGS)) {
        settle_flags(row, args, keys);
    }
    Some(())
}

/// The key of a command that always has one at the same place and always uses it in the same way: `find_keys` for most
/// commands, without a call.
pub fn sole_key(row: &Command) -> Option<CallKey> {
    let odd = ["MIGRATE", "SORT"].contains(&row.name) || row.flags.has(Flags::PUBSUB);
    match row.keys {
        [Keys { flags, begin: Begin::Index(index), find: Find::Range { last: 0, .. } }]
            if !odd && !flags.any(KeyFlags::NOT_KEY | KeyFlags::VARIABLE_FLAGS) =>
        {
            Some(CallKey { index: *index as usize, flags: *flags })
        }
        _ => None,
    }
}

/// Where the first key of a command would be, if it has any.
pub fn first_key(row: &Command) -> Option<usize> {
    match row.keys.first()? {
        Keys { begin: Begin::Index(index), find: Find::KeyNum { first, .. }, .. } => {
            Some(*index as usize + *first as usize)
        }
        Keys { begin: Begin::Index(index), .. } => Some(*index as usize),
        _ => Some(1),
    }
}

/// Where the keys of a specification begin, if it applies to this call.
fn begin(spec: &Keys, args: Args) -> Option<usize> {
    match spec.begin {
        Begin::Index(index) => Some(index as usize).filter(|index| *index < args.len()),
        Begin::Keyword(keyword, from) => {
            let is_keyword = |index: &usize| args.at(*index).eq_ignore_ascii_case(keyword.as_bytes());
            let found = if from >= 0 {
                (from as usize..args.len()).find(is_keyword)
            } else {
                let last = args.len().checked_sub(from.unsigned_abs() as usize)?;
                (1..=last).rev().find(is_keyword)
            };
            found.map(|index| index + 1).filter(|index| *index < args.len())
        }
        Begin::Unknown => None,
    }
}

fn find(spec: &Keys, first: usize, args: Args, keys: &mut Vec<CallKey>) -> Option<()> {
    let (first, last, step) = match spec.find {
        Find::Range { last, step, limit } => {
            let last = match last {
                last @ 0.. => first + last as usize,
                // The rest may be shared between keys and something else: `limit` parts.
                last if limit > 1 => (first + (args.len() - first) / limit as usize)
                    .checked_sub(last.unsigned_abs() as usize)?,
                last => args.len().checked_sub(last.unsigned_abs() as usize)?,
            };
            (first, last, step as usize)
        }
        Find::KeyNum { count, first: offset, step } => {
            let count = parse_i64(args.get(first + count as usize)?).filter(|count| *count >= 0)? as usize;
            if count == 0 {
                return Some(());
            }
            let first = first + offset as usize;
            let last = (count - 1).checked_mul(step as usize)?.checked_add(first)?;
            (first, last, step as usize)
        }
        Find::Unknown => return Some(()),
    };
    if last >= args.len() {
        return None;
    }
    keys.extend((first..=last).step_by(step.max(1)).map(|index| CallKey { index, flags: spec.flags }));
    Some(())
}

/// The key after the last STORE of SORT, which stands where no specification can say: among options whose
/// operands may spell the same word.
fn sort_destination(row: &Command, args: Args) -> Option<CallKey> {
    let (mut index, mut destination) = (2, None);
    while let Some(option) = args.get(index) {
        index += match option.to_ascii_uppercase().as_slice() {
            b"LIMIT" => 3,
            b"BY" | b"GET" => 2,
            b"STORE" => {
                destination = Some(index + 1).filter(|index| *index < args.len()).or(destination);
                2
            }
            _ => 1,
        };
    }
    Some(CallKey { index: destination?, flags: row.keys.last()?.flags })
}

/// The third argument of MIGRATE, or what follows KEYS if that is empty.
fn migrated(row: &Command, args: Args) -> Option<Vec<CallKey>> {
    let keys = match keys_of_migrate(args) {
        Some(index) if args.at(3).is_empty() => index + 1..args.len(),
        _ => 3..4,
    };
    let flags = row.keys.first()?.flags;
    Some(keys.map(|index| CallKey { index, flags }).collect())
}

/// Where KEYS is among the arguments of MIGRATE; a password may spell the same word.
pub fn keys_of_migrate(args: Args) -> Option<usize> {
    let mut index = 6;
    loop {
        index += match args.get(index)?.to_ascii_uppercase().as_slice() {
            b"AUTH" => 2,
            b"AUTH2" => 3,
            b"KEYS" => return Some(index),
            _ => 1,
        };
    }
}

/// The keys after STREAMS, which may also be the name of a group or a consumer.
fn streams(row: &Command, args: Args, keys: &mut Vec<CallKey>) -> Option<()> {
    let mut index = 1;
    loop {
        index += match args.get(index)?.to_ascii_uppercase().as_slice() {
            b"STREAMS" => break,
            b"GROUP" => 3,
            b"NOACK" => 1,
            // Every other option takes a value.
            _ => 2,
        };
    }
    let (first, spec) = (index + 1, row.keys.first()?);
    (first < args.len()).then_some(())?;
    find(spec, first, args, keys)
}

/// What follows a STORE or STOREDIST after the first, of which specifications do not know: the last one counts.
fn repeated_destinations(row: &Command, args: Args, keys: &mut Vec<CallKey>) {
    let Some((flags, from)) = row.keys.iter().find_map(|spec| match spec.begin {
        Begin::Keyword(_, from) => Some((spec.flags, from.unsigned_abs() as usize)),
        _ => None,
    }) else {
        return;
    };
    let is_word =
        |word: &[u8]| [&b"STORE"[..], b"STOREDIST"].iter().any(|known| word.eq_ignore_ascii_case(known));
    for index in from + 1..args.len() {
        let known = keys.iter().any(|key| key.index == index);
        if is_word(args.at(index - 1)) && !known {
            keys.push(CallKey { index, flags });
        }
    }
}

/// Commands whose use of the key depends on their options.
fn settle_flags(row: &Command, args: Args, keys: &mut [CallKey]) {
    let has = |word: &str| args.from(3).iter().any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
    let flags = match row.name {
        "SET" if args.len() <= 3 => KeyFlags::OW | KeyFlags::UPDATE,
        "SET" if has("GET") => KeyFlags::RW | KeyFlags::ACCESS | KeyFlags::UPDATE,
        "SET" if ["IFEQ", "IFNE", "IFDEQ", "IFDNE"].iter().any(|word| has(word)) => {
            KeyFlags::RW | KeyFlags::UPDATE
        }
        "SET" => KeyFlags::OW | KeyFlags::UPDATE,
        "DELEX" if args.len() < 4 => KeyFlags::RM | KeyFlags::DELETE,
        "DELEX" => KeyFlags::RW | KeyFlags::DELETE,
        "BITFIELD" if only_gets(args) => KeyFlags::RO | KeyFlags::ACCESS,
        "BITFIELD" => KeyFlags::RW | KeyFlags::ACCESS | KeyFlags::UPDATE,
        _ => return,
    };
    keys.iter_mut().for_each(|key| key.flags = flags);
}

/// Whether BITFIELD is told to read only.
fn only_gets(args: Args) -> bool {
    let mut index = 2;
    while let Some(option) = args.get(index) {
        index += match option.to_ascii_uppercase().as_slice() {
            b"GET" if index + 2 < args.len() => 3,
            b"OVERFLOW" => 2,
            _ => return false,
        };
    }
    true
}

/// First, last and step of the keys as Redis computes them: consecutive ranges count as one, everything
/// else makes the keys movable.
pub fn legacy_range(row: &Command) -> LegacyRange {
    let mut range = LegacyRange { movable: row.flags.has(Flags::MOVABLE_KEYS), ..Default::default() };
    let single = row.keys.len() == 1;
    let mut previous = 0;
    for spec in row.keys {
        let (Begin::Index(first), Find::Range { last, step, .. }) = (spec.begin, spec.find) else {
            range.movable = true;
            continue;
        };
        let (first, last, step) = (first as i64, last as i64, step as i64);
        let last = if last >= 0 { first + last } else { last };
        let incomplete = spec.flags.has(KeyFlags::INCOMPLETE);
        let plain = step == 1 && (previous == 0 || previous == first - 1) && !incomplete;
        if !single && !plain {
            range.movable = true;
            continue;
        }
        range.movable |= incomplete;
        if range.first == 0 {
            (range.first, range.step) = (first, step);
        }
        range.last = last;
        previous = last;
    }
    range
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::command::BASE;
    use crate::engine::command::table::Table;
    use crate::engine::protocol::Argv;
    use crate::engine::spec::{key_at, keys_counted, keys_every, keys_from};

    fn indexes(keys: &'static [Keys], call: &str) -> Option<Vec<usize>> {
        let argv = Argv::of(call.split(' ').map(str::as_bytes));
        let row = Command { keys, ..BASE };
        Some(keys_of(&row, argv.args())?.iter().map(|key| key.index).collect())
    }

    const RO: KeyFlags = KeyFlags::RO;
    const ONE: &[Keys] = &[key_at(1, RO)];
    const ALL: &[Keys] = &[keys_from(1, RO)];
    const PAIRS: &[Keys] = &[keys_every(1, 2, RO)];
    const COUNTED: &[Keys] = &[keys_counted(1, RO)];
    const STREAMS: &[Keys] = &[Keys {
        flags: RO,
        begin: Begin::Keyword("STREAMS", 1),
        find: Find::Range { last: -1, step: 1, limit: 2 },
    }];

    #[test]
    fn keys_are_found_by_every_kind_of_specification() {
        assert_eq!(indexes(ONE, "GET k"), Some(vec![1]));
        assert_eq!(indexes(ALL, "MGET a b c"), Some(vec![1, 2, 3]));
        assert_eq!(indexes(PAIRS, "MSET a 1 b 2"), Some(vec![1, 3]));
        assert_eq!(indexes(COUNTED, "LMPOP 2 a b LEFT"), Some(vec![2, 3]));
        assert_eq!(indexes(COUNTED, "LMPOP 3 a LEFT"), None);
        assert_eq!(indexes(COUNTED, "LMPOP 9223372036854775807 a"), None);
        assert_eq!(indexes(STREAMS, "XREAD COUNT 5 streams a b 0 0"), Some(vec![4, 5]));
        assert_eq!(indexes(STREAMS, "XREAD COUNT 5"), None);
    }

    fn keys_in(call: &str) -> Vec<String> {
        let argv = Argv::of(call.split(' ').map(str::as_bytes));
        let table = Table::new();
        let row = table.entry(table.find(argv.args().at(0)).expect("a command")).row;
        let keys = keys_of(row, argv.args()).unwrap_or_default();
        keys.iter().map(|key| String::from_utf8_lossy(argv.args().at(key.index)).into_owned()).collect()
    }

    #[test]
    fn the_sole_key_is_the_one_that_is_found() {
        let argv = Argv::of((0..12).map(|_| &b"1"[..]));
        for (_, entry) in Table::new().iter() {
            let Some(sole) = entry.sole_key else { continue };
            let mut keys = Vec::new();
            find_keys(entry.row, argv.args(), &mut keys).expect("arguments that make sense");
            assert_eq!(keys, [sole], "{}", entry.full_name);
        }
    }

    /// Words that mean something at another place hide no key.
    #[test]
    fn no_key_hides_behind_a_keyword() {
        assert_eq!(keys_in("XREADGROUP COUNT 1 GROUP STREAMS c STREAMS secret >"), ["secret"]);
        assert_eq!(keys_in("XREADGROUP GROUP g STREAMS NOACK STREAMS a b > >"), ["a", "b"]);
        assert_eq!(keys_in("XREAD BLOCK 0 COUNT 2 streams a 0"), ["a"]);
        assert_eq!(keys_in("GEORADIUS k 0 0 1 m STORE mine STORE secret"), ["k", "mine", "secret"]);
        assert_eq!(keys_in("GEORADIUS k 0 0 1 m STOREDIST mine STOREDIST secret"), ["k", "mine", "secret"]);
        assert_eq!(keys_in("SORT k BY STORE GET STORE STORE mine STORE secret"), ["k", "secret"]);
        assert_eq!(keys_in("MIGRATE h 1  0 9 AUTH KEYS KEYS secret"), ["secret"]);
    }

    #[test]
    fn ranges_for_old_clients() {
        const TWO: &[Keys] = &[key_at(1, RO), keys_from(2, RO)];
        let range = |keys| legacy_range(&Command { keys, ..BASE });
        assert_eq!(range(&[]), LegacyRange::default());
        assert_eq!(range(PAIRS), LegacyRange { first: 1, last: -1, step: 2, movable: false });
        assert_eq!(range(TWO), LegacyRange { first: 1, last: -1, step: 1, movable: false });
        assert_eq!(range(COUNTED), LegacyRange { movable: true, ..Default::default() });
    }
}
