//! The application against a simulated server, on machines that fail and a network that breaks.
#![cfg(madsim)]

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jobs::{Network, Redis, Worker, push};
use seedis::simulation::{self, Address, Death, Draws, Machine, Server, Stream, check, find, sleep};

const JOBS: usize = 20;

/// The simulated world, as the application sees it.
#[derive(Clone)]
struct Simulated(Address);

impl Network for Simulated {
    type Stream = Stream;

    async fn connect(&self) -> io::Result<Stream> {
        simulation::connect(&self.0).await
    }

    async fn sleep(&self, span: Duration) {
        sleep(span).await;
    }
}

/// What was done, in the world outside of the application: it outlives every machine.
type Done = Arc<Mutex<BTreeSet<String>>>;

async fn produce(network: Simulated) {
    let mut redis = Redis::new(network);
    for job in 0..JOBS {
        push(&mut redis, &format!("job {job}")).await;
    }
}

async fn work(network: Simulated, careful: bool, done: Done) {
    let mut worker = Worker::new(network.clone(), "worker");
    loop {
        let job = if careful { worker.next().await } else { worker.next_careless().await };
        network.sleep(Duration::from_millis(30)).await;
        done.lock().unwrap().insert(job.clone());
        worker.finish(&job).await;
    }
}

/// Some jobs and some faults; in the end all jobs must have been done.
async fn life(seed: u64, careful: bool) {
    let server = Server::start("appendonly yes\nappendfsync always\nsave \"\"");
    let (network, done) = (Simulated(server.address()), Done::default());
    let (producer, worker) = (Machine::new("producer"), Machine::new("worker"));
    let produced = producer.spawn(produce(network.clone()));
    drop(worker.spawn(work(network.clone(), careful, done.clone())));
    let mut draws = Draws::named(seed, "faults");
    let mut some_ms = |most| Duration::from_millis(draws.below(most));
    for fault in 0..3 {
        sleep(some_ms(500)).await;
        match (seed + fault) % 4 {
            0 => {
                worker.cut_off(server.machine());
                sleep(some_ms(5000)).await;
                worker.rejoin(server.machine());
            }
            1 => {
                server.machine().kill(Death::Power);
                sleep(some_ms(1000)).await;
                server.machine().restart();
            }
            2 => {
                worker.kill(Death::Process);
                worker.restart();
                drop(worker.spawn(work(network.clone(), careful, done.clone())));
            }
            _ => worker.reset_connection(server.machine()),
        }
    }
    produced.await.expect("nobody kills the producer");
    // Ten minutes are long enough for whatever is not lost.
    for _ in 0..600 {
        if done.lock().unwrap().len() == JOBS {
            return server.stop().await;
        }
        sleep(Duration::from_secs(1)).await;
    }
    panic!("jobs were lost: of {JOBS} these were done: {:?}", done.lock().unwrap());
}

#[test]
fn no_job_is_lost() {
    check(0..100, |seed| life(seed, true));
}

#[test]
fn a_careless_worker_loses_jobs() {
    let seed = find(0..100, |seed| life(seed, false)).expect("a world in which a job is lost");
    check(seed..seed + 1, |seed| life(seed, true));
}
