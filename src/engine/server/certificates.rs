//! The certificates of TLS, as far as INFO tells of them, and the users that those of clients name.

use super::Server;
use super::describe::Shown;
use crate::engine::acl::{Context, Reason};
use crate::engine::session::ClientId;
use crate::engine::time::Now;

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its number, in hex digits.
    pub serial: String,
    /// When it ends, Unix seconds.
    pub until: i64,
}

/// Those in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// Shown to clients.
    pub server: Option<Certificate>,
    /// Shown to other servers.
    pub client: Option<Certificate>,
    /// Of the authority that is trusted; of several, the one that ends first.
    pub authority: Option<Certificate>,
}

impl Server {
    /// A client has shown a certificate that has these names for its user: it is logged in as the first of them that may.
    /// If none may, it goes on as everybody begins.
    pub fn log_in_by_certificate(&mut self, client: ClientId, names: &[Vec<u8>], now: Now) {
        let Some(mut session) = self.clients.take(client) else { return };
        let found = names.iter().find_map(|name| self.acl.find(name).filter(|id| self.acl.user(*id).is_on()));
        match found {
            Some(user) => {
                session.user = user;
                session.authenticated = true;
            }
            None => {
                let name = names.first().cloned().unwrap_or_default();
                let shown = Shown::resting(&session);
                let what = (b"TLS".to_vec(), name);
                self.note_refusal(shown, Reason::Certificate, Context::Toplevel, what, now);
            }
        }
        self.clients.put_back(session);
    }
}
