//! A scenario: everything that is decided about a world before it begins, as a list that a person can read
//! and shorten. A seed is drawn out into one ([`of`]), a file holds one ([`text`]), and the world knows
//! nothing else.
//!
//! Its `seed` still decides the small print that no list could hold: where segments are cut, how long each
//! takes, who of several tasks goes first.

mod draw;
mod life;
mod settings;
mod text;
mod words;

use std::num::{IntErrorKind, ParseIntError};

use seedis::runtime::simulation::{Death, FaultKind};

use crate::model::Call;
use crate::world::Kind;
pub use draw::{CHANNELS, of};
pub use life::{End, LONGEST_US, Life, Start};
pub use settings::{ServerFaults, Settings, Values};
pub(crate) use text::death_word;

/// Reads a number, or says what is wrong with it.
pub(crate) fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|error: ParseIntError| match error.kind() {
        IntErrorKind::PosOverflow => format!("{text} is too large: at most {}", u64::MAX),
        _ => format!("{text:?} is not a number"),
    })
}

/// A world, before it begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scenario {
    /// Of the streams that everything else draws from.
    pub seed: u64,
    /// A deliberate bug, and how it must be found.
    pub expectation: Option<Expectation>,
    pub kind: Kind,
    pub settings: Settings,
    /// In the order of their times. One that takes a while delays those behind it.
    pub faults: Vec<Fault>,
    /// When all is healed, in microseconds.
    pub peace_us: u64,
    /// In a world of crashes, instead of faults and a peace: what the server goes through. Peace comes after it.
    pub lives: Vec<Life>,
    /// The machines of clients, by number. One with nothing on it still has its place.
    pub machines: Vec<Machine>,
}

/// The scenario fails with a mutant, and passes without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    pub mutant: &'static str,
    /// The exit code, see [`crate::command`].
    pub code: u8,
    /// The check that fails.
    pub check: String,
}

/// What runs on one machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    pub client: Option<Client>,
    /// A client that has files saved and rewritten.
    pub operator: Option<Client>,
    pub publisher: Option<Publisher>,
    /// What each connection of a subscriber listens to, over and over.
    pub subscriber: Option<Vec<Listen>>,
    pub others: Vec<Other>,
}

/// Clients that do the same things in every world; what they do next is small print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    /// Caches what it reads, so many times until peace, of so many groups of keys.
    Caching { rounds: usize, groups: u64 },
    /// Has few rights, and tries whether it has more.
    Guest,
    /// Looks whether `maxmemory` holds in the end.
    Auditor,
    /// Does what no decent client does, again and again.
    Nuisance(Nuisance),
    /// Looks at what others have counted, with pauses of at most so many microseconds.
    Watcher { pause_us: u64 },
}

/// What indecent clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nuisance {
    /// Reads its replies a few bytes at a time.
    SlowReader,
    /// Sends until all buffers are full, and reads nothing.
    NeverReads,
    /// Leaves between MULTI and EXEC.
    DropInTransaction,
    /// Sends ten thousand commands at once.
    LongPipeline,
    /// Announces more bytes than a request may have.
    OversizeBulk,
    /// Sends what is no request.
    Garbage,
    /// Connects and leaves, many times at once.
    ReconnectStorm,
    /// Has somebody killed who waits for a key.
    KilledWaiter,
}

impl Nuisance {
    pub const ALL: [Nuisance; 8] = [
        Nuisance::SlowReader,
        Nuisance::NeverReads,
        Nuisance::DropInTransaction,
        Nuisance::LongPipeline,
        Nuisance::OversizeBulk,
        Nuisance::Garbage,
        Nuisance::ReconnectStorm,
        Nuisance::KilledWaiter,
    ];

    /// The fault that it is.
    pub fn kind(self) -> FaultKind {
        match self {
            Nuisance::SlowReader => FaultKind::SlowReader,
            Nuisance::NeverReads => FaultKind::NeverReads,
            Nuisance::DropInTransaction => FaultKind::DropInTransaction,
            Nuisance::LongPipeline => FaultKind::LongPipeline,
            Nuisance::OversizeBulk => FaultKind::OversizeBulk,
            Nuisance::Garbage => FaultKind::Garbage,
            Nuisance::ReconnectStorm => FaultKind::ReconnectStorm,
            Nuisance::KilledWaiter => FaultKind::KilledWaiter,
        }
    }
}

/// A client that sends batches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Client {
    /// Whether its first, second, ... connection speaks RESP3, over and over.
    pub resp3: Vec<bool>,
    /// What it does while things go wrong, the rest of which is left out when peace comes. In a world of crashes there is
    /// a list for each life of the server.
    pub steps: Vec<Vec<Step>>,
    /// What it does in peace.
    pub peaceful: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Sends a pipeline and reads the replies.
    Send(Vec<Call>),
    /// Sends so many bytes of a pipeline and leaves.
    Leave { bytes: usize, how: Leave, calls: Vec<Call> },
    /// Does nothing for some microseconds.
    Pause(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Closes the connection.
    Close,
    /// Says that it will send no more, and waits for the end.
    Shutdown,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Publisher {
    pub messages: Vec<Message>,
    pub peaceful: Vec<Message>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Since the one before, in microseconds.
    pub after_us: u64,
    pub channel: String,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// A channel, or with `*` a pattern of channels.
    pub channel: String,
    pub resp3: bool,
    /// After so many microseconds it listens no longer for a while, on the same connection.
    pub until_us: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Since the world began.
    pub at_us: u64,
    pub trouble: Trouble,
}

/// The ways a world can be troubled. Clients are named by the number of their machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing gets through between the server and a client.
    Partition { client: usize, way: Way, for_us: u64 },
    /// Nothing gets through between the server and anybody.
    Isolation { for_us: u64 },
    /// The links of some clients clog, one after the other, and open in another order.
    SwizzleClog { for_us: u64 },
    /// One connection of a client is reset.
    Reset { client: usize },
    /// The server dies and is started again.
    Restart { death: Death, for_us: u64 },
    /// A client's machine dies.
    ClientDeath { client: usize, death: Death },
    /// The server's clock jumps.
    Jump { by_us: i64 },
    /// The server's process stands still.
    Pause { for_us: u64 },
    /// One of the server's tasks panics when it is about to go on.
    ActorPanic { task: &'static str },
}

/// Seen from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    In,
    Out,
    Both,
}

impl Trouble {
    /// How long it takes, in microseconds.
    pub fn lasts_us(&self) -> u64 {
        match self {
            Trouble::Partition { for_us, .. }
            | Trouble::Isolation { for_us }
            | Trouble::SwizzleClog { for_us }
            | Trouble::Restart { for_us, .. }
            | Trouble::Pause { for_us } => *for_us,
            Trouble::Reset { .. }
            | Trouble::ClientDeath { .. }
            | Trouble::Jump { .. }
            | Trouble::ActorPanic { .. } => 0,
        }
    }

    /// The client that it is about.
    pub fn client(&self) -> Option<usize> {
        match self {
            Trouble::Partition { client, .. }
            | Trouble::Reset { client }
            | Trouble::ClientDeath { client, .. } => Some(*client),
            Trouble::Isolation { .. }
            | Trouble::SwizzleClog { .. }
            | Trouble::Restart { .. }
            | Trouble::Jump { .. }
            | Trouble::Pause { .. }
            | Trouble::ActorPanic { .. } => None,
        }
    }
}

/// Tasks of the server that may panic: the others must not notice.
pub const TASKS: [&str; 1] = ["connection"];

impl Scenario {
    /// The machine of this number, made if there is none.
    fn machine(&mut self, number: usize) -> &mut Machine {
        if self.machines.len() <= number {
            self.machines.resize(number + 1, Machine::default());
        }
        &mut self.machines[number]
    }
}
