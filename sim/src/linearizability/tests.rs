//! The checker against a brute-force one and against stateright's, on random histories.

use proptest::prelude::*;
use stateright::semantics::register::{Register as Theirs, RegisterOp, RegisterRet};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Access {
    Write(u8),
    /// What was read; meaningless if it never returned.
    Read(u8),
}

#[derive(Clone, Debug)]
struct Event {
    session: u32,
    access: Access,
    invoked: u64,
    returned: u64,
    until: u64,
}

impl Timed for Event {
    fn invoked(&self) -> u64 {
        self.invoked
    }
    fn returned(&self) -> u64 {
        self.returned
    }
    fn until(&self) -> u64 {
        self.until
    }
    fn session(&self) -> u32 {
        self.session
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Register(u8);

impl Specification for Register {
    type Operation = Event;
    fn step(&self, event: &Event) -> Vec<Self> {
        match event.access {
            Access::Write(value) => vec![Register(value)],
            Access::Read(value) if event.returned == u64::MAX || value == self.0 => vec![*self],
            Access::Read(_) => vec![],
        }
    }
}

/// Tries every order of every subset that has all that returned.
fn brute_force(state: Register, left: &[Event]) -> bool {
    if left.iter().all(|event| event.returned == u64::MAX) {
        return true;
    }
    (0..left.len()).any(|first| {
        let event = &left[first];
        let allowed = left.iter().enumerate().all(|(index, other)| {
            let earlier = other.returned < event.invoked
                || (other.session == event.session && (other.invoked, index) < (event.invoked, first));
            index == first || !earlier
        });
        let mut rest = left.to_vec();
        rest.remove(first);
        allowed && state.step(event).into_iter().any(|next| brute_force(next, &rest))
    })
}

fn stateright(events: &[Event]) -> bool {
    let mut tester = LinearizabilityTester::new(Theirs(0u8));
    let mut steps: Vec<(u64, bool, &Event)> = Vec::new();
    for event in events {
        steps.push((event.invoked, false, event));
        if event.returned != u64::MAX {
            steps.push((event.returned, true, event));
        }
    }
    // At one moment, invocations come first: such operations overlap.
    steps.sort_by_key(|(at, is_return, _)| (*at, *is_return));
    for (_, is_return, event) in steps {
        let session = event.session;
        let fed = match (is_return, event.access) {
            (false, Access::Write(value)) => tester.on_invoke(session, RegisterOp::Write(value)).map(drop),
            (false, Access::Read(_)) => tester.on_invoke(session, RegisterOp::Read).map(drop),
            (true, Access::Write(_)) => tester.on_return(session, RegisterRet::WriteOk).map(drop),
            (true, Access::Read(value)) => tester.on_return(session, RegisterRet::ReadOk(value)).map(drop),
        };
        fed.expect("a well-formed history");
    }
    tester.is_consistent()
}

/// Sessions that each do one thing at a time; a session ends with what never returns.
fn history() -> impl Strategy<Value = Vec<Event>> {
    let access = prop_oneof![(1u8..3).prop_map(Access::Write), (0u8..3).prop_map(Access::Read)];
    let step = (access, 0u64..4, 0u64..6, prop::bool::weighted(0.12));
    let session = prop::collection::vec(step, 0..4);
    prop::collection::vec(session, 1..4).prop_map(|sessions| {
        let mut events = Vec::new();
        for (session, steps) in sessions.into_iter().enumerate() {
            let mut now = 0;
            for (access, pause, span, lost) in steps {
                let invoked = now + pause;
                let returned = if lost { u64::MAX } else { invoked + span };
                events.push(Event { session: session as u32, access, invoked, returned, until: u64::MAX });
                if lost {
                    break;
                }
                now = returned + 1;
            }
        }
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_brute_force_and_with_stateright(events in history()) {
        let ours = check(Register(0), &events, 100_000);
        prop_assert_ne!(&ours, &Verdict::Unknown);
        let linearizable = ours == Verdict::Linearizable;
        prop_assert_eq!(linearizable, brute_force(Register(0), &events));
        prop_assert_eq!(linearizable, stateright(&events));
    }
}

fn event(session: u32, access: Access, invoked: u64, returned: u64) -> Event {
    Event { session, access, invoked, returned, until: u64::MAX }
}

#[test]
fn a_stale_read_is_found_and_named() {
    let events =
        [event(0, Access::Write(1), 0, 1), event(1, Access::Read(1), 2, 3), event(1, Access::Read(0), 4, 5)];
    assert_eq!(check(Register(0), &events, 100), Verdict::Violation { stuck_at: vec![2] });
}

#[test]
fn a_pipeline_keeps_its_order() {
    // Sent at once on one connection: the read must see the write before it.
    let read = |value| [event(0, Access::Write(1), 0, 9), event(0, Access::Read(value), 0, 9)];
    assert_eq!(check(Register(0), &read(1), 100), Verdict::Linearizable);
    assert!(matches!(check(Register(0), &read(0), 100), Verdict::Violation { .. }));
}

#[test]
fn giving_up_is_not_passing() {
    let events: Vec<_> = (0..8).map(|session| event(session, Access::Write(1), 0, 9)).collect();
    assert_eq!(check(Register(0), &events, 3), Verdict::Unknown);
}

#[test]
fn what_was_never_answered_has_no_effect_after_its_connection_is_gone() {
    let lost = Event { until: 3, ..event(0, Access::Write(1), 0, u64::MAX) };
    let (before, after) = (event(1, Access::Read(0), 2, 4), event(1, Access::Read(0), 5, 6));
    let late = [lost.clone(), before, after, event(1, Access::Read(1), 7, 8)];
    assert!(matches!(check(Register(0), &late, 100), Verdict::Violation { .. }));
    let in_time = [lost, event(1, Access::Read(0), 2, 4), event(1, Access::Read(1), 5, 6)];
    assert_eq!(check(Register(0), &in_time, 100), Verdict::Linearizable);
}
