//! The way in for connections that begin with TLS: who sets them up, and what has changed about that.

use super::handshake::{Begun, Handshakes, Outcomes};
use super::setup::Setup;
use crate::actor::connection::socket::Socket;
use crate::actor::keyspace::Keyspace;
use crate::actor::log::{self, reason};
use crate::engine::config::Config;
use crate::engine::effect::Level;
use crate::engine::server::certificates::Certificates;
use crate::runtime::net::Stream;
use crate::runtime::{task, time};
use std::cell::RefCell;
use std::io;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// What becomes of a connection that has begun: its socket, and the names that its certificate has for its user.
pub type Serve = Rc<dyn Fn(Socket, Option<&[Vec<u8>]>)>;

/// The gate of a server.
pub struct Gate {
    serve: Serve,
    setup: RefCell<Option<Setup>>,
    handshakes: RefCell<Option<Handshakes>>,
}

/// Whether a server with these parameters needs certificates.
pub fn is_wanted(config: &Config) -> bool {
    config.tls_port != 0
}

impl Gate {
    /// A gate for what `config` says. Fails with the reason, after the log has told all of it.
    pub fn new(config: &Config, serve: Serve) -> Result<Rc<Self>, String> {
        let gate = Gate { serve, setup: RefCell::default(), handshakes: RefCell::default() };
        let setup =
            prepare(config).map_err(|()| "Failed to configure TLS. Check logs for more information.")?;
        gate.change(setup);
        Ok(Rc::new(gate))
    }

    /// Those that begin from now on use this; those that have begun keep what they have.
    pub fn change(&self, setup: Option<Setup>) {
        *self.setup.borrow_mut() = setup;
    }

    /// The certificates in use.
    pub fn certificates(&self) -> Certificates {
        self.setup.borrow().as_ref().map(|setup| setup.certificates.clone()).unwrap_or_default()
    }

    /// Has a connection begin, which fails without a word if `limit` others do already.
    pub fn begin(&self, stream: Stream, limit: u64) {
        // Without a setup nothing listens for TLS.
        let Some(setup) = self.setup.borrow().clone() else { return };
        // Sent at once: a handshake is a conversation in small pieces.
        let _ = stream.set_nodelay(true);
        let begun = self.start_thread().and_then(|()| match &*self.handshakes.borrow() {
            Some(handshakes) => handshakes.begin(stream, setup, limit as usize),
            None => Ok(()),
        });
        if let Err(error) = begun {
            log::write(Level::Warning, &format!("Error accepting a client connection: {}", reason(&error)));
        }
    }

    /// The thread begins with the first connection.
    fn start_thread(&self) -> io::Result<()> {
        if self.handshakes.borrow().is_some() {
            return Ok(());
        }
        let (handshakes, outcomes) = Handshakes::start()?;
        task::spawn_local("gate", admit(outcomes, self.serve.clone()));
        *self.handshakes.borrow_mut() = Some(handshakes);
        Ok(())
    }
}

/// Serves connections once they have begun.
async fn admit(mut outcomes: Outcomes, serve: Serve) {
    while let Some(outcome) = outcomes.recv().await {
        let admitted = outcome.and_then(|Begun { stream, users }| {
            let stream =
                stream.attach().map_err(|error| format!("Serving client connection: {}", reason(&error)))?;
            serve(Socket::Tls(Box::new(stream)), users.as_deref());
            Ok(())
        });
        if let Err(why) = admitted {
            log::write(Level::Warning, &why);
        }
    }
}

/// What `config` makes of TLS, if it wants any; the log tells what is wrong with it.
pub fn prepare(config: &Config) -> Result<Option<Setup>, ()> {
    if !is_wanted(config) {
        return Ok(None);
    }
    Setup::new(config).map(Some).map_err(|why| log::write(Level::Warning, &why))
}

/// Looks for changed files every `tls-auto-reload-interval` seconds, for as long as there is a gate.
pub async fn watch_files(gate: Weak<Gate>, keyspace: Weak<Keyspace>) {
    let mut told = None;
    loop {
        let Some(server) = keyspace.upgrade() else { return };
        let config = server.with_quiet(|server| server.config.clone());
        drop(server);
        let seconds = config.tls_auto_reload_interval;
        let pause = Duration::from_secs(if seconds == 0 { 1 } else { seconds });
        time::sleep(pause).await;
        let (Some(gate), Some(keyspace)) = (gate.upgrade(), keyspace.upgrade()) else { return };
        if seconds == 0 || !is_wanted(&config) {
            continue;
        }
        let new = match Setup::new(&config) {
            Ok(new) => new,
            Err(why) => {
                // Files that are wrong, or not all there yet, are looked at again.
                if told.as_ref() != Some(&why) {
                    log::write(Level::Warning, &why);
                }
                told = Some(why);
                continue;
            }
        };
        told = None;
        let differs = gate.setup.borrow().as_ref().is_some_and(|old| new.differs_from(old));
        if differs {
            gate.change(Some(new));
            keyspace.with_quiet(|server| server.certificates = gate.certificates());
            log::write(Level::Notice, "TLS: the files have changed and are in use now.");
        }
    }
}
