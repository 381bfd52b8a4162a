//! Tasks that the server cannot be without, and how it ends if one of them panics.
//!
//! A panic ends its task. For most of them somebody takes care of that: the connection is closed, the job has failed,
//! writes are refused until the append-only file is written anew. Without one of these, clients would wait for ever for
//! what only it can tell. So the server ends as by a crash: their connections are closed, and whoever supervises it
//! starts it again.

use super::keyspace::{Keyspace, Request};
use crate::runtime::sync::mpsc;
use crate::runtime::task::{self, JoinHandle};
use std::future::Future;

/// Such a task.
#[derive(Clone, Copy)]
pub enum Vital {
    /// Nothing expires without it, and nobody times out.
    Clock,
    /// Without it nothing gets into the append-only file.
    Stream,
    /// Without it whoever waits for the append-only file waits for ever.
    Reports,
    /// Without it nobody hears of the end of a job, and there is never another one.
    JobEnd,
    /// Without it whoever waits for a step of a backup waits for ever.
    Backup,
    /// Without it the server is loading for ever.
    Reload,
    /// Without it no other thread is answered.
    Post,
    /// Without it whoever hands over keys waits for ever.
    Migrate,
}

impl Vital {
    /// The name of the task, and what the server dies of without it.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Vital::Clock => ("clock", "the loss of its clock"),
            Vital::Stream => ("stream", "the loss of its stream"),
            Vital::Reports => ("reports", "the loss of its reports"),
            Vital::JobEnd => ("job-end", "the loss of the end of a job"),
            Vital::Backup => ("backup", "the loss of its backups"),
            Vital::Reload => ("reload", "the loss of what it reloads"),
            Vital::Post => ("post", "the loss of its post"),
            Vital::Migrate => ("migrate", "the loss of its migrations"),
        }
    }

    /// Starts it on the current thread.
    pub fn start(self, keyspace: &Keyspace, future: impl Future<Output = ()> + 'static) -> JoinHandle<()> {
        let (name, loss) = self.words();
        let watch = Watch { requests: keyspace.requests(), loss, ended: false };
        task::spawn_local(name, watch.over(future))
    }
}

/// Has the server end if it is dropped before the task has ended.
struct Watch {
    requests: mpsc::UnboundedSender<Request>,
    loss: &'static str,
    ended: bool,
}

impl Watch {
    async fn over(mut self, future: impl Future<Output = ()>) {
        future.await;
        self.ended = true;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended {
            // Nobody listens when the server has ended, and its tasks are dropped.
            let _ = self.requests.send(Request::Crash(self.loss));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::Config;
    use crate::engine::server::{Environment, Server};
    use crate::runtime::testing::run;
    use std::future::pending;

    /// What the wiring is asked for when such a task goes this way.
    async fn asked(future: impl Future<Output = ()> + 'static, aborts: bool) -> Option<Request> {
        let server =
            Server::new(Config::default(), Environment::bare(1)).expect("the configuration is sound");
        let (requests, mut inbox) = mpsc::unbounded_channel();
        let keyspace = Keyspace::new(server, requests, None);
        let task = Vital::Backup.start(&keyspace, future);
        drop(keyspace);
        if aborts {
            task.abort();
        }
        inbox.recv().await
    }

    #[test]
    fn the_server_ends_without_a_task_that_panicked_and_not_without_one_that_ended() {
        run(async {
            let lost = asked(async { panic!("expected by the test") }, false).await;
            assert!(matches!(lost, Some(Request::Crash("the loss of its backups"))), "{lost:?}");
            assert!(matches!(asked(pending(), true).await, Some(Request::Crash(_))));
            assert!(asked(async {}, false).await.is_none());
        });
    }
}
