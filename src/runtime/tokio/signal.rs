//! Being asked to stop.

use std::io;
use std::task::Poll;

use ::tokio::signal::unix::{Signal as Watch, SignalKind, signal};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: a supervisor.
    Terminate,
    /// SIGINT: a person at the terminal, who may press the keys again to force it.
    Interrupt,
}

/// The signals of the process. The first one made replaces their default actions for good.
#[derive(Debug)]
pub struct Signals {
    terminate: Watch,
    interrupt: Watch,
}

impl Signals {
    /// Watches SIGTERM and SIGINT; SIGHUP and SIGUSR1 no longer kill the process. Call it inside a
    /// runtime.
    pub fn watch() -> io::Result<Self> {
        // Watched once, they are never given back to the default action, even without a watcher.
        drop(signal(SignalKind::hangup())?);
        drop(signal(SignalKind::user_defined1())?);
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next request to stop.
    pub async fn terminate(&mut self) -> Signal {
        std::future::poll_fn(|context| {
            if self.terminate.poll_recv(context).is_ready() {
                return Poll::Ready(Signal::Terminate);
            }
            self.interrupt.poll_recv(context).map(|_| Signal::Interrupt)
        })
        .await
    }
}
