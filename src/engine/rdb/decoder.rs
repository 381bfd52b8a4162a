//! Reading files.

use super::file::Access;
use super::hash::{Templates, decode_shared_template};
use super::source::{Error, Source};
use super::value::{Context, Limits, decode, module_name};
use super::{Dialect, Reader, opcode};
use crate::engine::keyspace::Entry;

/// What a file consists of.
#[derive(Debug)]
pub enum Item {
    /// A field of information about the file.
    Aux {
        /// Its name, such as `redis-ver`.
        name: Box<[u8]>,
        /// Its value.
        value: Box<[u8]>,
    },
    /// The entries that follow belong to this database.
    Database(u64),
    /// How many keys the database is about to have. A hint: never allocate for it what is not there.
    Resize {
        /// All.
        keys: u64,
        /// Those that expire.
        expiring: u64,
    },
    /// A library of functions, as its source.
    Function(Box<[u8]>),
    /// A key.
    Entry(Loaded),
    /// A key whose value was an empty collection, which bugs of old versions left: there is nothing to keep.
    EmptyKey(Box<[u8]>),
    /// Data that a module left beside keys was skipped.
    ModuleAux(String),
}

/// An entry, and how it was used.
#[derive(Debug)]
pub struct Loaded {
    /// The entry.
    pub entry: Entry,
    /// How it was used, if the file says so.
    pub access: Option<Access>,
}

/// Reads a file item by item.
pub struct Decoder<'a, S> {
    reader: Reader<S>,
    limits: &'a Limits,
    /// The access clock of new entries.
    clock: u32,
    /// What the header says.
    version: Option<(u32, Dialect)>,
    /// Whether the checksum is computed and compared.
    check_sum: bool,
    /// Whether the file had a checksum, which was compared.
    summed: bool,
    done: bool,
    /// The key whose value is being read.
    key: Vec<u8>,
    templates: Templates,
}

impl<'a, S: Source> Decoder<'a, S> {
    /// Reads from the beginning. Entries get this access clock.
    pub fn new(source: S, limits: &'a Limits, clock: u32, check_sum: bool) -> Self {
        let reader = Reader::new(source);
        Self {
            reader,
            limits,
            clock,
            version: None,
            check_sum,
            summed: false,
            done: false,
            key: Vec::new(),
            templates: Templates::new(),
        }
    }

    /// How many bytes were read.
    pub fn position(&self) -> u64 {
        self.reader.position()
    }

    /// Where the bytes come from: after the last item it stands behind the file, where more may follow.
    pub fn source(&mut self) -> &mut S {
        self.reader.source()
    }

    /// The version of the file, once the first item was read.
    pub fn version(&self) -> Option<u32> {
        self.version.map(|(version, _)| version)
    }

    /// Whether the file ended with a checksum, which was compared.
    pub fn was_summed(&self) -> bool {
        self.summed
    }

    /// After an error, the key whose value is broken; empty if it was none.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The next item; nothing after the last, when the checksum was right. After an error there is nothing
    /// more to be had.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Item>, Error> {
        if self.done {
            return Ok(None);
        }
        let item = self.item();
        self.done = !matches!(item, Ok(Some(_)));
        item
    }

    fn item(&mut self) -> Result<Option<Item>, Error> {
        self.key.clear();
        let (version, dialect) = match self.version {
            Some(known) => known,
            None => *self.version.insert(header(&mut self.reader)?),
        };
        let reader = &mut self.reader;
        let (mut expires_at, mut access) = (None, None);
        loop {
            reader.reading("the start of an item");
            let item = match reader.byte()? {
                opcode::EXPIRETIME => {
                    reader.reading("an expiry");
                    expires_at = Some(i64::from(i32::from_le_bytes(reader.array()?)) * 1000);
                    continue;
                }
                opcode::EXPIRETIME_MS => {
                    reader.reading("an expiry");
                    expires_at = Some(reader.i64()?);
                    continue;
                }
                opcode::IDLE => {
                    reader.reading("an idle time");
                    access = Some(Access::Idle(reader.length()?));
                    continue;
                }
                opcode::FREQ => {
                    reader.reading("a frequency");
                    access = Some(Access::Frequency(reader.byte()?));
                    continue;
                }
                opcode::SLOT_INFO => {
                    reader.reading("the size of a slot");
                    for _ in 0..3 {
                        reader.length()?;
                    }
                    continue;
                }
                opcode::TEMPLATE => {
                    reader.reading("a template of hashes");
                    let (number, template) = decode_shared_template(reader)?;
                    self.templates.insert(number, template);
                    continue;
                }
                opcode::EOF => {
                    self.summed = check_sum(reader, version, self.check_sum)?;
                    return Ok(None);
                }
                // A check that holds for want of a checksum in files so old.
                opcode::AUX if version < 7 => return Err(reader.invalid("an item that this version has not")),
                opcode @ opcode::KEY_META.. => other(reader, opcode, dialect)?,
                kind => {
                    reader.reading("a key");
                    self.key.clear();
                    self.key.extend_from_slice(reader.string()?);
                    let context = Context { dialect, limits: self.limits, templates: &self.templates };
                    match decode(reader, kind, context, &self.key, expires_at, self.clock)? {
                        Some(entry) => Item::Entry(Loaded { entry, access }),
                        None => Item::EmptyKey(self.key.as_slice().into()),
                    }
                }
            };
            return Ok(Some(item));
        }
    }
}

/// The version of a file and who wrote it.
fn header<S: Source>(reader: &mut Reader<S>) -> Result<(u32, Dialect), Error> {
    let magic: [u8; 9] = reader.array()?;
    let (digits, by_valkey) = match (magic.strip_prefix(b"REDIS"), magic.strip_prefix(b"VALKEY")) {
        (Some(digits), _) => (digits, false),
        (_, Some(digits)) => (digits, true),
        _ => return Err(reader.invalid("no magic string: this is not an RDB file")),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(reader.invalid("a version that is no number"));
    }
    let version = digits.iter().fold(0, |version, digit| 10 * version + u32::from(digit - b'0'));
    match Dialect::of(version) {
        Some(dialect) if (dialect == Dialect::Valkey) == by_valkey || !by_valkey => Ok((version, dialect)),
        _ => Err(reader.unsupported(format!("version {version} of the format"))),
    }
}

/// Items that are neither keys nor belong to one.
fn other<S: Source>(reader: &mut Reader<S>, opcode: u8, dialect: Dialect) -> Result<Item, Error> {
    Ok(match opcode {
        opcode::AUX => {
            reader.reading("an aux field");
            Item::Aux { name: reader.string()?.into(), value: reader.string()?.into() }
        }
        opcode::SELECTDB => {
            reader.reading("the number of a database");
            Item::Database(reader.length()?)
        }
        opcode::RESIZEDB => {
            reader.reading("the size of a database");
            Item::Resize { keys: reader.length()?, expiring: reader.length()? }
        }
        opcode::FUNCTION2 => {
            reader.reading("a library of functions");
            Item::Function(reader.string()?.into())
        }
        opcode::FUNCTION_PRE_GA => {
            return Err(reader.unsupported("a library of functions of a release candidate of Redis 7"));
        }
        opcode::MODULE_AUX => {
            reader.reading("data of a module");
            Item::ModuleAux(skip_module_aux(reader)?)
        }
        _ if dialect == Dialect::Valkey => return Err(reader.unsupported("the import of a slot")),
        _ => return Err(reader.unsupported("metadata that modules keep for keys")),
    })
}

/// Skips what a module left, and names the module.
fn skip_module_aux<S: Source>(reader: &mut Reader<S>) -> Result<String, Error> {
    let module = module_name(reader.length()?);
    // When it is to be loaded: a number, with its mark.
    reader.length()?;
    reader.length()?;
    loop {
        match reader.length()? {
            0 => return Ok(module),
            1 | 2 => {
                reader.length()?;
            }
            3 => {
                reader.bytes(size_of::<f32>())?;
            }
            4 => {
                reader.bytes(size_of::<f64>())?;
            }
            5 => {
                reader.string()?;
            }
            _ => return Err(reader.invalid("a part of an unknown form")),
        }
    }
}

/// Compares the checksum, which files have from version 5 on, and 0 stands for none; whether there was one.
fn check_sum<S: Source>(reader: &mut Reader<S>, version: u32, wanted: bool) -> Result<bool, Error> {
    reader.reading("the checksum");
    if version < 5 {
        return Ok(false);
    }
    let computed = if wanted { reader.source().checksum() } else { 0 };
    let found = reader.u64()?;
    if !wanted || found == 0 || found == computed {
        Ok(wanted && found != 0)
    } else {
        Err(reader.invalid("CRC error: it does not match the data"))
    }
}
