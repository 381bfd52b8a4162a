//! The file of users (`aclfile`): read as a whole, written as a whole.

use super::log::{self, reason};
use crate::engine::effect::Level;
use crate::engine::server::Server;
use crate::runtime::fs;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

fn path(server: &Server) -> PathBuf {
    OsStr::from_bytes(&server.config.aclfile).into()
}

/// Replaces the users by those of the file. Fails with the reason, and then they stay as they are.
pub fn load(server: &mut Server) -> Result<(), String> {
    let path = path(server);
    let shown = path.display().to_string();
    let text = fs::read(&path)
        .map_err(|error| format!("Error loading ACLs, opening file '{shown}': {}", reason(&error)))?;
    server.load_users(&text, &shown)
}

/// Writes the users into the file, which is the old one or the new one whatever happens meanwhile.
pub fn save(server: &Server) -> Result<(), String> {
    fs::write_atomically(&path(server), &server.acl.file()).map_err(|error| {
        log::write(Level::Warning, &format!("Error saving ACLs: {}", reason(&error)));
        "There was an error trying to save the ACLs. Please check the server logs for more information"
            .to_owned()
    })
}
