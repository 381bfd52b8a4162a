//! Where tests run: on either runtime, whichever is built.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::net::{Address, ListenOptions, Listener};
use super::{fs, rng};

/// Runs one test body on the runtime under test.
///
/// # Panics
/// If there is no runtime.
#[cfg(not(madsim))]
pub fn run<F: Future>(body: F) -> F::Output {
    super::task::block_on_main(body).unwrap()
}

/// Runs one test body as a task of a node of a fresh world.
#[cfg(madsim)]
pub fn run<F: Future>(body: F) -> F::Output {
    super::simulation::run_on_node(7, body)
}

/// From now on the disk of this machine has these faults.
#[cfg(madsim)]
pub fn set_disk_faults(faults: super::simulation::DiskFaults) {
    super::simulation::SimDisk::current().set_faults(madsim::plugin::node(), faults);
}

/// A listener on any port of this machine, and where it is.
///
/// # Panics
/// If no port is free.
pub fn listen() -> (Listener, Address) {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into();
    let listener = Listener::bind(&any_port, &ListenOptions::default()).unwrap();
    let address = listener.local_address().unwrap();
    (listener, address)
}

/// A fresh directory, removed when dropped.
pub struct Directory(PathBuf);

impl Directory {
    /// Makes one.
    ///
    /// # Panics
    /// If the disk does not want to.
    pub fn fresh() -> Self {
        let path = fs::temporary(&format!("seedis-{:x}", rng::seed()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl std::ops::Deref for Directory {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Simulated disks go with their world.
        #[cfg(not(madsim))]
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}
