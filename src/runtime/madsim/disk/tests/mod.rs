//! Each fault does what it says.

mod kinds;
mod operations;
mod power;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::Duration;

use ::madsim::runtime::{Handle, Runtime};

use super::*;
use crate::runtime::madsim::net::Death;
use crate::runtime::{fs, simulation, time};

const A: &str = "/data/a";
const B: &str = "/data/b";

/// A node with a disk that has an empty directory `/data`.
#[derive(Clone)]
struct Server {
    disk: Arc<SimDisk>,
    id: NodeId,
}

impl Server {
    /// Runs a future as a task of the node.
    async fn run<F>(&self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.start(future).await.unwrap()
    }

    fn start<F>(&self, future: F) -> ::madsim::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Handle::current().get_node(self.id).unwrap().spawn(future)
    }

    /// Dies and comes back.
    async fn restart(&self, death: Death) {
        simulation::kill(self.id, death);
        Handle::current().restart(self.id);
        time::sleep(Duration::from_millis(1)).await;
    }

    fn get(&self, path: &str) -> Option<Vec<u8>> {
        self.disk.get(self.id, Path::new(path))
    }

    fn faults(&self, change: impl FnOnce(&mut DiskFaults)) {
        let mut faults = DiskFaults::default();
        change(&mut faults);
        self.disk.set_faults(self.id, faults);
    }
}

fn world<F: Future>(seed: u64, body: impl FnOnce(Server) -> F) -> F::Output {
    let runtime = Runtime::with_seed_and_config(seed, ::madsim::Config::default());
    simulation::install(&runtime);
    runtime.block_on(async {
        simulation::start();
        let node = Handle::current().create_node().name("server").init(std::future::pending::<()>).build();
        let server = Server { disk: SimDisk::current(), id: node.id() };
        server.disk.put(server.id, Path::new("/data/none"), b"");
        server.run(async { fs::remove(Path::new("/data/none")).unwrap() }).await;
        server.disk.with(server.id, |disk| disk.volume.sync_everything());
        body(server).await
    })
}

/// What comes out in the worlds of many seeds.
fn outcomes<F: Future>(body: impl Fn(Server) -> F) -> BTreeSet<F::Output>
where
    F::Output: Ord,
{
    (0..60).map(|seed| world(seed, &body)).collect()
}

/// Writes a whole file, and syncs it if told.
async fn write(path: &str, content: Vec<u8>, sync: bool) -> io::Result<()> {
    let mut file = fs::File::create(Path::new(path))?;
    file.write_all(&content).await?;
    if sync { file.sync_data().await } else { Ok(()) }
}

/// Writes a file so that it is there for good.
async fn write_durably(path: &'static str, content: Vec<u8>) {
    write(path, content, true).await.unwrap();
    fs::sync_dir(Path::new("/data")).await.unwrap();
}

fn code<T>(outcome: io::Result<T>) -> Option<i32> {
    outcome.err().map(|error| error.raw_os_error().expect("an error of the operating system"))
}
