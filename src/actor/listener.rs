//! Accepts connections and starts what serves them.

use super::connection::{self, ReadBuffer, describe};
use super::keyspace::Keyspace;
use super::log;
use crate::engine::effect::Level;
use crate::runtime::net::{Listener, Stream};
use crate::runtime::{task, time};
use std::rc::Rc;
use std::time::Duration;

/// Accepts for ever; each connection goes to `serve`.
pub async fn accept(listener: Listener, mut serve: impl FnMut(Stream)) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => serve(stream),
            Err(error) => {
                log::write(Level::Warning, &format!("Accepting client connection: {error}"));
                // Out of descriptors, most likely: do not spin until some are free.
                time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves a connection on this thread.
pub fn serve_here(stream: Stream, keyspace: &Rc<Keyspace>, shared: &ReadBuffer, keepalive: u32) {
    prepare(&stream, keepalive);
    let peer = describe(&stream);
    let now = time::now();
    match keyspace.with(now, |server| server.connect(peer, now)) {
        Ok(client) => {
            let serving = connection::direct::serve(stream, client, keyspace.clone(), shared.clone());
            task::spawn_local("connection", serving);
        }
        Err(refusal) => refuse(stream, refusal.text()),
    }
}

/// The socket options every connection gets. A socket that cannot have them still works.
pub fn prepare(stream: &Stream, keepalive: u32) {
    let _ = stream.set_nodelay(true);
    if keepalive > 0 {
        let _ = stream.set_keepalive(keepalive);
    }
}

/// Says why and closes; who cannot hear it is closed all the same.
pub fn refuse(mut stream: Stream, why: &str) {
    let _ = stream.try_write(why.as_bytes());
    let _ = stream.shutdown_write();
}
