//! Error replies: a code, a space and the text, word for word Redis's, since clients match on them.

use std::borrow::Cow;

/// Why a command was refused. Becomes an error reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    text: Cow<'static, [u8]>,
    counted: bool,
}

/// What commands return; the reply is written on the way.
pub type Result<T = ()> = std::result::Result<T, Error>;

impl Error {
    /// An error with this code and text.
    pub const fn new(text: &'static str) -> Self {
        Error { text: Cow::Borrowed(text.as_bytes()), counted: false }
    }
    /// An error whose text depends on the request.
    pub fn text(text: String) -> Self {
        Self::bytes(text.into_bytes())
    }
    /// An error whose text holds arbitrary bytes.
    pub fn bytes(text: Vec<u8>) -> Self {
        Error { text: Cow::Owned(text), counted: false }
    }
    /// Code and text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }
    /// The same error, which INFO errorstats has counted already: where a script met it.
    pub fn counted(self) -> Error {
        Error { counted: true, ..self }
    }
    /// Whether it was counted.
    pub fn is_counted(&self) -> bool {
        self.counted
    }
    /// The first word, under which INFO errorstats counts it.
    pub fn code(&self) -> &[u8] {
        self.text.split(|b| *b == b' ').next().unwrap_or(b"ERR")
    }

    /// The key holds another type.
    pub const WRONG_TYPE: Error =
        Error::new("WRONGTYPE Operation against a key holding the wrong kind of value");
    /// The arguments do not fit the grammar.
    pub const SYNTAX: Error = Error::new("ERR syntax error");
    /// Not a whole number of 64 bits.
    pub const NOT_INTEGER: Error = Error::new("ERR value is not an integer or out of range");
    /// A whole number that C's `int` does not hold.
    pub const INT_RANGE: Error =
        Error::new("ERR value is out of range, value must between -2147483648 and 2147483647");
    /// Not a number.
    pub const NOT_FLOAT: Error = Error::new("ERR value is not a valid float");
    /// A number outside its bounds.
    pub const OUT_OF_RANGE: Error = Error::new("ERR value is out of range");
    /// A negative number where none may be.
    pub const MUST_BE_POSITIVE: Error = Error::new("ERR value is out of range, must be positive");
    /// The sum does not fit.
    pub const OVERFLOW: Error = Error::new("ERR increment or decrement would overflow");
    /// The sum is no number.
    pub const NAN: Error = Error::new("ERR increment would produce NaN or Infinity");
    /// An offset outside what a string may have.
    pub const OFFSET: Error = Error::new("ERR offset is out of range");
    /// A string longer than `proto-max-bulk-len`.
    pub const TOO_LONG: Error = Error::new("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    /// The key does not exist.
    pub const NO_SUCH_KEY: Error = Error::new("ERR no such key");
    /// The index is no database.
    pub const DB_RANGE: Error = Error::new("ERR DB index is out of range");
    /// A key cannot be moved or copied onto itself.
    pub const SAME_OBJECT: Error = Error::new("ERR source and destination objects are the same");
    /// AUTH comes first.
    pub const NO_AUTH: Error = Error::new("NOAUTH Authentication required.");
    /// Data is being loaded.
    pub const LOADING: Error = Error::new("LOADING Redis is loading the dataset in memory");
    /// Memory is used up and the policy evicts nothing.
    pub const OOM: Error = Error::new("OOM command not allowed when used memory > 'maxmemory'.");
    /// EXEC of a transaction that had errors.
    pub const EXEC_ABORT: Error = Error::new("EXECABORT Transaction discarded because of previous errors.");

    /// The number of arguments does not fit the command.
    pub fn arity(name: &str) -> Error {
        Error::text(format!("ERR wrong number of arguments for '{name}' command"))
    }
    /// An expiry that cannot be.
    pub fn invalid_expire(name: &str) -> Error {
        Error::text(format!("ERR invalid expire time in '{name}' command"))
    }
}
