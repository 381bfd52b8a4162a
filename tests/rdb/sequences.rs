//! Values that random commands made.

use crate::support::reply::Value;
use crate::world::World;
use proptest::prelude::*;

/// Writes and reads a value; it answers as before.
fn reload(world: &mut World, compress: bool, questions: &[&str]) -> Result<(), TestCaseError> {
    let answers = |world: &mut World| -> Vec<Value> {
        questions.iter().chain(&["DEBUG DIGEST-VALUE k"]).map(|question| world.ask(question)).collect()
    };
    let before = answers(world);
    let payload = world.dump("k", compress);
    world.restore("k", &payload).map_err(TestCaseError::fail)?;
    prop_assert_eq!(answers(world), before);
    prop_assert_eq!(&world.dump("k", compress), &payload);
    for about in [1, 50] {
        prop_assert_eq!(&world.dump_in_steps("k", compress, about), &payload[1..payload.len() - 10]);
    }
    Ok(())
}

/// Commands of streams, with holes: `#` stands for an id, `@` for a small number.
fn stream_command() -> impl Strategy<Value = String> {
    let templates = prop::sample::select(vec![
        "XADD k * f @",
        "XADD k * f @ g hello",
        "XADD k * a 1 f @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@",
        "XADD k * @ @ @ -@@@@@@@@@ @ @.5",
        "XADD k IDMP p@ m@ * f @",
        "XADD k IDMPAUTO p@ * f @",
        "XCFGSET k IDMP-DURATION 1@ IDMP-MAXSIZE 1@",
        "XDEL k #",
        "XDEL k # # #",
        "XDELEX k DELREF IDS 1 #",
        "XGROUP CREATE k g@ #",
        "XGROUP CREATE k g@ 0 ENTRIESREAD @",
        "XGROUP SETID k g@ #",
        "XGROUP CREATECONSUMER k g@ c@",
        "XGROUP DELCONSUMER k g@ c@",
        "XGROUP DESTROY k g@",
        "XREADGROUP GROUP g@ c@ COUNT 3 STREAMS k >",
        "XREADGROUP GROUP g@ c@ COUNT 9 STREAMS k >",
        "XCLAIM k g@ c@ 0 # FORCE RETRYCOUNT @",
        "XAUTOCLAIM k g@ c@ 0 0 COUNT @",
        "XNACK k g@ FAIL IDS 1 #",
        "XNACK k g@ SILENT IDS 2 # # FORCE",
        "XACK k g@ # #",
        "XTRIM k MAXLEN 2@",
        "XTRIM k MINID #",
        "XTRIM k MAXLEN ~ 1@",
        "XSETID k 1700000001000-0 ENTRIESADDED 10000@ MAXDELETEDID #",
    ]);
    (templates, prop::collection::vec(0u64..4, 40)).prop_map(|(template, choices)| {
        let mut choices = choices.into_iter().cycle();
        let mut next = || choices.next().expect("it never ends");
        let fill = |letter: char| match letter {
            '#' if next() == 0 => format!("{}-{}", next(), next()),
            '#' => format!("1700000000{:03}-{}", 16 * next() + 4 * next() + next(), next() / 3),
            '@' => next().to_string(),
            letter => letter.to_string(),
        };
        template.chars().map(fill).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn streams_come_back(
        commands in prop::collection::vec((stream_command(), 0u64..3), 1..150),
        per_node in 1u32..9,
        compress: bool,
    ) {
        let mut world = World::new();
        world.configure("stream-node-max-entries", &per_node.to_string());
        world.ask("XADD k 0-1 f v");
        let mut accepted = 0;
        for (step, (command, pause)) in commands.iter().enumerate() {
            world.advance(*pause);
            accepted += usize::from(!matches!(world.ask(command), Value::Error(_)));
            if step % 16 == 0 {
                reload(&mut world, compress, &["XINFO STREAM k FULL COUNT 0"])?;
            }
        }
        prop_assert!(accepted > 0 || commands.len() < 20);
        reload(&mut world, compress, &["XINFO STREAM k FULL COUNT 0"])?;
    }

    #[test]
    fn arrays_come_back(
        elements in prop::collection::vec((any::<u64>(), 0u32..64, any::<i64>(), 0u32..64, 0usize..4), 1..600),
        inserts in prop::collection::vec(0usize..50, 0..20),
        compress: bool,
    ) {
        let mut world = World::new();
        for (index, shift, number, narrow, form) in elements {
            let index = (index >> shift).min(u64::MAX - 1);
            let number = number >> narrow;
            let value = match form {
                0 => number.to_string(),
                1 => format!("{number}.25"),
                2 => "text ".repeat(shift as usize),
                _ => String::new(),
            };
            world.ask(&format!("ARSET k {index} \"{value}\""));
        }
        for len in inserts {
            world.ask(&format!("ARINSERT k {}", "x".repeat(len + 1)));
        }
        reload(&mut world, compress, &["ARSCAN k 0 18446744073709551614", "ARNEXT k", "ARLEN k", "ARCOUNT k"])?;
    }
}
