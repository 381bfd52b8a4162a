//! Places of members: adding and reading them.

use super::place::Place;
use super::{GEO, READ, UNIT, distance_text, place, unit};
use crate::engine::command::args::Cursor;
use crate::engine::command::sorted_set::{AddOptions, add_pairs};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Flags, KEY, KeyFlags, block, double, key_at, one_of, string, token};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "GEOADD",
        arity: AtLeast(5),
        flags: Flags::WRITE.or(Flags::DENYOOM),
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        since: "3.2.0",
        complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
        summary: "Adds members with their places to a geospatial index, or moves them.",
        history: &[("6.2.0", "Added the `CH`, `NX` and `XX` options.")],
        args: &[
            KEY,
            one_of("condition", &[token("nx", "NX"), token("xx", "XX")]).optional().since("6.2.0"),
            token("change", "CH").optional().since("6.2.0"),
            block("data", &[double("longitude"), double("latitude"), string("member")]).multiple(),
        ],
        run: geoadd,
        ..GEO
    },
    Command {
        name: "GEOPOS",
        arity: AtLeast(2),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        since: "3.2.0",
        complexity: "O(1) for each member requested.",
        summary: "Returns the longitudes and latitudes of members of a geospatial index.",
        args: &[KEY, string("member").multiple().optional()],
        run: geopos,
        ..GEO
    },
    Command {
        name: "GEOHASH",
        arity: AtLeast(2),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        since: "3.2.0",
        complexity: "O(1) for each member requested.",
        summary: "Returns the geohashes of members of a geospatial index.",
        args: &[KEY, string("member").multiple().optional()],
        run: geohash,
        ..GEO
    },
    Command {
        name: "GEODIST",
        arity: AtLeast(4),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        since: "3.2.0",
        summary: "Returns the distance between two members of a geospatial index.",
        args: &[KEY, string("member1"), string("member2"), UNIT.optional()],
        run: geodist,
        ..GEO
    },
];

fn geoadd(call: &mut Call) -> Result {
    let mut cursor = Cursor::new(call.args, 2);
    let mut options = AddOptions::default();
    loop {
        if cursor.keyword("NX") {
            options.if_new = true;
        } else if cursor.keyword("XX") {
            options.if_there = true;
        } else if cursor.keyword("CH") {
            options.count_changed = true;
        } else {
            break;
        }
    }
    let (first, data) = (cursor.position(), call.args.from(cursor.position()));
    if data.len() == 0 || !data.len().is_multiple_of(3) || options.if_new && options.if_there {
        return Err(Error::SYNTAX);
    }
    let score = |at: usize| place(data.at(3 * at), data.at(3 * at + 1)).map(Place::score);
    let scores: Vec<f64> = (0..data.len() / 3).map(score).collect::<Result<_>>()?;
    let (key, dirty) = (call.args.at(1), call.server.dirty);
    let pairs = scores.iter().enumerate().map(|(at, score)| (data.at(3 * at + 2), *score));
    add_pairs(call, key, options, pairs)?;
    if call.server.dirty != dirty {
        let texts: Vec<String> = scores.iter().map(|score| (*score as i64).to_string()).collect();
        let mut argv: Vec<&[u8]> = vec![b"ZADD"];
        argv.extend(call.args.from(1).iter().take(first - 1));
        for (at, text) in texts.iter().enumerate() {
            argv.extend([text.as_bytes(), data.at(3 * at + 2)]);
        }
        call.propagate(&argv);
    }
    Ok(())
}

fn geopos(call: &mut Call) -> Result {
    let set = call.server.read_sorted_set(call.access(), call.args.at(1))?;
    call.reply.array(call.args.len() - 2);
    for member in call.args.from(2).iter() {
        match set.and_then(|set| set.score(member)).map(Place::from_score) {
            Some(place) => {
                call.reply.array(2);
                call.reply.double(place.longitude);
                call.reply.double(place.latitude);
            }
            None => call.reply.null_array(),
        }
    }
    Ok(())
}

fn geohash(call: &mut Call) -> Result {
    let set = call.server.read_sorted_set(call.access(), call.args.at(1))?;
    call.reply.array(call.args.len() - 2);
    for member in call.args.from(2).iter() {
        match set.and_then(|set| set.score(member)).map(Place::from_score) {
            Some(place) => call.reply.bulk(place.geohash().as_bytes()),
            None => call.reply.null(),
        }
    }
    Ok(())
}

fn geodist(call: &mut Call) -> Result {
    let metres = match call.args.len() {
        4 => 1.0,
        5 => unit(call.args.at(4))?,
        _ => return Err(Error::SYNTAX),
    };
    let set = call.server.read_sorted_set(call.access(), call.args.at(1))?;
    let place = |at| set.and_then(|set| set.score(call.args.at(at))).map(Place::from_score);
    match place(2).zip(place(3)) {
        Some((one, other)) => call.reply.bulk(distance_text(one.distance(other) / metres).as_bytes()),
        None => call.reply.null(),
    }
    Ok(())
}
