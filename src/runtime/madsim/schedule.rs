//! Who of a node's tasks goes first. madsim picks one of those that are ready, uniformly at random, so that orders
//! which need the same unlikely choice many times in a row hardly ever come. What a node spawns can be made to let
//! others go first, within bounds: whoever waits for it is served a little later.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use ::madsim::plugin::{self, Simulator};
use ::madsim::rand::GlobalRng;
use ::madsim::task::NodeId;
use ::madsim::time::TimeHandle;

use super::clock::SimClock;
use super::kind::FaultKind;
use super::machine::SimMachine;
use super::streams::Draws;
use super::time::Timer;

/// How often a task gives its turn back, at most, before it goes on.
const MOST_TURNS: u32 = 10;

/// Between two changes of priorities there are at most so many steps of tasks.
const MOST_STEPS: u64 = 2_000;

/// How long a task that starves is held before each step, at most.
const MOST_HELD_NS: u64 = 1_000_000;

/// How those who are ready are chosen among.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schedule {
    /// As madsim does.
    #[default]
    Uniform,
    /// Every task has a priority, drawn when it begins. At a few random moments the one whose turn it is gets the
    /// lowest (as in Burckhardt and others, "A randomized scheduler with probabilistic guarantees of finding bugs",
    /// 2010).
    Priorities,
    /// Tasks of one name are held before each of their steps, while the others go on.
    Starving,
}

impl Schedule {
    pub const ALL: [Schedule; 3] = [Schedule::Uniform, Schedule::Priorities, Schedule::Starving];

    /// Its name in a scenario.
    pub fn word(self) -> &'static str {
        match self {
            Schedule::Uniform => "uniform",
            Schedule::Priorities => "priorities",
            Schedule::Starving => "starving",
        }
    }
}

/// The schedules of all nodes.
pub struct SimSchedule(Mutex<BTreeMap<NodeId, Node>>);

struct Node {
    schedule: Schedule,
    draws: Draws,
    /// Steps of tasks until priorities change.
    until_change: u64,
    /// Names of tasks so far, and which of them starves.
    names: BTreeSet<&'static str>,
    starved: &'static str,
    /// The next task of this name panics.
    panics: Option<&'static str>,
}

impl Simulator for SimSchedule {
    fn new(_: &GlobalRng, _: &TimeHandle, _: &::madsim::Config) -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    fn reset_node(&self, node: NodeId) {
        // No other simulator can be asked for now, so none is made.
        if let Some(node) = self.lock().get_mut(&node) {
            node.panics = None;
        }
    }
}

impl SimSchedule {
    /// The schedules of the running world.
    pub fn current() -> Arc<Self> {
        plugin::simulator()
    }

    /// How the tasks of a node are chosen from now on.
    pub fn set(&self, node: NodeId, schedule: Schedule) {
        self.with(node, |node| node.schedule = schedule);
    }

    /// Lets a task of this name panic instead of taking its next step.
    pub fn panic_next(&self, node: NodeId, task: &'static str) {
        self.with(node, |node| node.panics = Some(task));
    }

    /// Whether a task is still to panic.
    pub fn panics(&self, node: NodeId) -> bool {
        self.with(node, |node| node.panics.is_some())
    }

    /// Takes back [`SimSchedule::panic_next`].
    pub fn panic_no_more(&self, node: NodeId) {
        self.with(node, |node| node.panics = None);
    }

    fn with<T>(&self, node: NodeId, act: impl FnOnce(&mut Node) -> T) -> T {
        act(self.lock().entry(node).or_insert_with(|| Node {
            schedule: Schedule::Uniform,
            draws: SimMachine::current().stream(&format!("schedule of node {node}")),
            until_change: 0,
            names: BTreeSet::new(),
            starved: "",
            panics: None,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Node>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    /// A task begins. Returns how often it gives its turn back.
    fn welcome(&mut self, name: &'static str) -> u32 {
        if self.schedule == Schedule::Starving && self.names.insert(name) {
            // Each name is the one with the same probability, however many will come.
            if self.draws.below(self.names.len() as u64) == 0 {
                self.starved = name;
            }
        }
        match self.schedule {
            Schedule::Priorities => self.draws.below(u64::from(MOST_TURNS)) as u32,
            Schedule::Uniform | Schedule::Starving => 0,
        }
    }

    /// Whether priorities change with this step.
    fn changes(&mut self) -> bool {
        if self.until_change > 0 {
            self.until_change -= 1;
            return false;
        }
        self.until_change = self.draws.between(1, MOST_STEPS);
        true
    }
}

pin_project_lite::pin_project! {
    /// A future whose steps are taken by the schedule of its node.
    pub(super) struct Scheduled<F> {
        turns: Turns,
        #[pin]
        future: F,
    }
}

/// When it is the turn of a task.
struct Turns {
    schedules: Arc<SimSchedule>,
    node: NodeId,
    name: &'static str,
    /// How often it gives its turn back before each step, and how often it has.
    gives: u32,
    given: u32,
    /// Until when it is held, in true time.
    held_ns: Option<u64>,
    timer: Timer,
}

impl<F> Scheduled<F> {
    pub(super) fn new(name: &'static str, future: F) -> Self {
        let (schedules, node) = (SimSchedule::current(), plugin::node());
        let gives = schedules.with(node, |node| node.welcome(name));
        let turns = Turns { schedules, node, name, gives, given: 0, held_ns: None, timer: Timer::default() };
        Self { turns, future }
    }
}

impl<F: Future> Future for Scheduled<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.turns.poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => this.future.poll(context),
        }
    }
}

impl Turns {
    /// Ready when it may take a step.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (schedule, panics, starves) = self.schedules.with(self.node, |node| {
            let panics = node.panics.take_if(|name| *name == self.name).is_some();
            (node.schedule, panics, node.starved == self.name)
        });
        if panics {
            FaultKind::ActorPanic.fired();
            // Without the hook: nobody takes it for a panic of the server's own.
            resume_unwind(Box::new("a panic was injected".to_owned()));
        }
        match schedule {
            Schedule::Uniform => Poll::Ready(()),
            Schedule::Priorities => self.give_way(context),
            Schedule::Starving if starves => self.starve(context),
            Schedule::Starving => Poll::Ready(()),
        }
    }

    fn give_way(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.given < self.gives {
            self.given += 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.given = 0;
        if self.schedules.with(self.node, Node::changes) {
            self.gives = MOST_TURNS;
        }
        Poll::Ready(())
    }

    fn starve(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let hold = || {
            let span_ns = self.schedules.with(self.node, |node| node.draws.below(MOST_HELD_NS));
            SimClock::current().true_ns() + span_ns
        };
        let until_ns = *self.held_ns.get_or_insert_with(hold);
        let ready = self.timer.poll_at(until_ns, context);
        if ready.is_ready() {
            self.held_ns = None;
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Duration;

    use super::*;
    use crate::runtime::{simulation, task, time};

    /// Races of three tasks, and whose each of their steps was.
    fn races(seed: u64, schedule: Schedule) -> Vec<Vec<&'static str>> {
        simulation::run_on_node(seed, async move {
            SimSchedule::current().set(plugin::node(), schedule);
            let order: Rc<RefCell<Vec<Vec<&str>>>> = Rc::default();
            for _ in 0..20 {
                order.borrow_mut().push(Vec::new());
                let runners = ["a", "b", "c"].map(|name| {
                    let order = order.clone();
                    task::spawn_local(name, async move {
                        for _ in 0..3 {
                            task::yield_now().await;
                            order.borrow_mut().last_mut().expect("a race").push(name);
                        }
                    })
                });
                for runner in runners {
                    runner.await.unwrap();
                }
            }
            order.take()
        })
    }

    /// How many races a runner finished before another had begun.
    fn runaways(races: &[Vec<&str>]) -> usize {
        races.iter().filter(|order| order[..3].iter().all(|runner| *runner == order[0])).count()
    }

    #[test]
    fn priorities_make_one_go_far_ahead_and_none_stay_behind_for_ever() {
        let total = |schedule| (0..20).map(|seed| runaways(&races(seed, schedule))).sum::<usize>();
        let (uniform, priorities) = (total(Schedule::Uniform), total(Schedule::Priorities));
        assert!(2 * priorities > 3 * uniform, "{priorities} of 400 races, {uniform} by uniform choice");
        assert!(races(1, Schedule::Priorities).iter().all(|order| order.len() == 9));
    }

    #[test]
    fn a_seed_decides_the_order() {
        for schedule in Schedule::ALL {
            assert_eq!(races(7, schedule), races(7, schedule));
        }
        assert_ne!(races(7, Schedule::Priorities), races(8, Schedule::Priorities));
    }

    #[test]
    fn one_starves_while_the_others_go_on() {
        let mut starved = BTreeSet::new();
        for seed in 0..20 {
            let ends_us = simulation::run_on_node(seed, async {
                SimSchedule::current().set(plugin::node(), Schedule::Starving);
                let start_us = time::now().mono_us;
                let runners = ["a", "b", "c"].map(|name| {
                    task::spawn_local(name, async move {
                        for _ in 0..50 {
                            task::yield_now().await;
                        }
                        time::now().mono_us - start_us
                    })
                });
                let mut ends_us = Vec::new();
                for runner in runners {
                    ends_us.push(runner.await.unwrap());
                }
                ends_us
            });
            let slow: Vec<usize> = (0..3).filter(|&runner| ends_us[runner] > 1_000).collect();
            assert!(slow.len() <= 1, "{ends_us:?}");
            assert!(ends_us.iter().all(|us| *us < 51 * MOST_HELD_NS / 1000), "{ends_us:?}");
            starved.extend(slow);
        }
        assert_eq!(starved.len(), 3, "always the same starve");
    }

    #[test]
    fn a_panic_hits_one_task_of_the_name() {
        FaultKind::take_fired();
        simulation::run_on_node(1, async {
            let sleeper = || time::sleep(Duration::from_millis(1));
            let other = task::spawn_local("other", sleeper());
            let first = task::spawn_local("victim", sleeper());
            let second = task::spawn_local("victim", sleeper());
            task::yield_now().await;
            SimSchedule::current().panic_next(plugin::node(), "victim");
            let outcomes = [other.await.is_ok(), first.await.is_ok(), second.await.is_ok()];
            assert!(outcomes[0] && outcomes[1] != outcomes[2], "{outcomes:?}");
        });
        assert!(FaultKind::ActorPanic.has_fired());
    }
}
