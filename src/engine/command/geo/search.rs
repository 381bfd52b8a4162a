//! Finding members by their places.

use super::area::{Area, Shape};
use super::place::Place;
use super::{GEO, READ, STORE, UNIT, distance_text, length, place, unit};
use crate::engine::command::args::{Cursor, int};
use crate::engine::command::sorted_set::{Pair, sorted_set_event};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::sorted_set::compare;
use crate::engine::keyspace::{IntBuf, SortedSetRef};
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{
    Arg, Begin, Find, Flags, KEY, KeyFlags, Keys, block, double, int as int_arg, key, key_at, one_of, string,
    token,
};
use crate::engine::text::number::parse_f64;

const FROM: Arg = one_of(
    "from",
    &[
        string("member").token("FROMMEMBER"),
        block("fromlonlat", &[double("longitude"), double("latitude")]).token("FROMLONLAT"),
    ],
);
const BY: Arg = one_of(
    "by",
    &[
        block("circle", &[double("radius").token("BYRADIUS"), UNIT]),
        block("box", &[double("width").token("BYBOX"), double("height"), UNIT]),
    ],
);
const ORDER: Arg = one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional();
const ANY: Arg = token("any", "ANY").optional();
const COUNT: Arg = block("count-block", &[int_arg("count").token("COUNT"), ANY]).optional();
const COUNT_BEFORE_ANY: Arg =
    block("count-block", &[int_arg("count").token("COUNT"), ANY.since("6.2.0")]).optional();
const WITH_COORD: Arg = token("withcoord", "WITHCOORD").optional();
const WITH_DIST: Arg = token("withdist", "WITHDIST").optional();
const WITH_HASH: Arg = token("withhash", "WITHHASH").optional();
const STORE_AT: Arg = one_of(
    "store",
    &[key("storekey", 1).token("STORE").shown("key"), key("storedistkey", 2).token("STOREDIST").shown("key")],
)
.optional();

const SEARCH_COST: &str = "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the shape provided as the filter and M is the number of items inside the shape";
const RADIUS_COST: &str = "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by center and radius and M is the number of items inside the index.";

const UNITS_IN_CAPITALS: (&str, &str) = ("7.0.0", "Added support for uppercase unit names.");
const ANY_ADDED: (&str, &str) = ("6.2.0", "Added the `ANY` option for `COUNT`.");

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "GEOSEARCH",
        arity: AtLeast(7),
        flags: Flags::READONLY,
        keys: &[key_at(1, READ)],
        since: "6.2.0",
        complexity: SEARCH_COST,
        summary: "Returns the members of a geospatial index inside a circle or a box.",
        history: &[UNITS_IN_CAPITALS],
        args: &[KEY, FROM, BY, ORDER, COUNT, WITH_COORD, WITH_DIST, WITH_HASH],
        run: |call| search(call, Form::Search),
        ..GEO
    },
    Command {
        name: "GEOSEARCHSTORE",
        arity: AtLeast(8),
        flags: Flags::WRITE.or(Flags::DENYOOM),
        keys: &[key_at(1, STORE), key_at(2, READ)],
        since: "6.2.0",
        complexity: SEARCH_COST,
        summary: "Stores the members of a geospatial index inside a circle or a box in a key.",
        history: &[UNITS_IN_CAPITALS],
        args: &[
            key("destination", 0),
            key("source", 1),
            FROM,
            BY,
            ORDER,
            COUNT,
            token("storedist", "STOREDIST").optional(),
        ],
        run: |call| search(call, Form::SearchStore),
        ..GEO
    },
];

/// A key after a keyword, which is looked for from an argument on.
const fn stored_after(keyword: &'static str, from: i16) -> Keys {
    Keys {
        flags: STORE.or(KeyFlags::INCOMPLETE),
        begin: Begin::Keyword(keyword, from),
        find: Find::Range { last: 0, step: 1, limit: 0 },
    }
}

const STORING_RADIUS: Command = Command {
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::MOVABLE_KEYS),
    since: "3.2.0",
    complexity: RADIUS_COST,
    history: &[ANY_ADDED, UNITS_IN_CAPITALS],
    ..GEO
};
const READING_RADIUS: Command = Command {
    flags: Flags::READONLY,
    keys: &[key_at(1, READ)],
    since: "3.2.10",
    complexity: RADIUS_COST,
    history: &[ANY_ADDED, UNITS_IN_CAPITALS],
    ..GEO
};

/// What GEOSEARCH and GEOSEARCHSTORE replace.
pub(super) const OLDER_COMMANDS: &[Command] = &[
    Command {
        name: "GEORADIUS",
        arity: AtLeast(6),
        keys: &[key_at(1, READ), stored_after("STORE", 6), stored_after("STOREDIST", 6)],
        summary: "Returns or stores the members of a geospatial index around a place.",
        deprecated: Some(("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument")),
        args: &[
            KEY,
            double("longitude"),
            double("latitude"),
            double("radius"),
            UNIT,
            WITH_COORD,
            WITH_DIST,
            WITH_HASH,
            COUNT_BEFORE_ANY,
            ORDER,
            STORE_AT,
        ],
        run: |call| search(call, Form::Radius { store: true }),
        ..STORING_RADIUS
    },
    Command {
        name: "GEORADIUS_RO",
        arity: AtLeast(6),
        summary: "Returns the members of a geospatial index around a place.",
        deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")),
        args: &[
            KEY,
            double("longitude"),
            double("latitude"),
            double("radius"),
            UNIT,
            WITH_COORD,
            WITH_DIST,
            WITH_HASH,
            COUNT_BEFORE_ANY,
            ORDER,
        ],
        run: |call| search(call, Form::Radius { store: false }),
        ..READING_RADIUS
    },
    Command {
        name: "GEORADIUSBYMEMBER",
        arity: AtLeast(5),
        keys: &[key_at(1, READ), stored_after("STORE", 5), stored_after("STOREDIST", 5)],
        summary: "Returns or stores the members of a geospatial index around one of them.",
        deprecated: Some((
            "6.2.0",
            "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
        )),
        args: &[
            KEY,
            string("member"),
            double("radius"),
            UNIT,
            WITH_COORD,
            WITH_DIST,
            WITH_HASH,
            COUNT,
            ORDER,
            STORE_AT,
        ],
        run: |call| search(call, Form::RadiusByMember { store: true }),
        ..STORING_RADIUS
    },
    Command {
        name: "GEORADIUSBYMEMBER_RO",
        arity: AtLeast(5),
        summary: "Returns the members of a geospatial index around one of them.",
        deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")),
        args: &[
            KEY,
            string("member"),
            double("radius"),
            UNIT,
            WITH_COORD,
            WITH_DIST,
            WITH_HASH,
            COUNT,
            ORDER,
        ],
        run: |call| search(call, Form::RadiusByMember { store: false }),
        ..READING_RADIUS
    },
];

/// Which of the commands it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Search,
    SearchStore,
    Radius { store: bool },
    RadiusByMember { store: bool },
}

impl Form {
    /// Whether the area is given by options.
    fn has_options(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }
    fn may_store_at(self) -> bool {
        matches!(self, Form::Radius { store: true } | Form::RadiusByMember { store: true })
    }
}

/// A search as requested. Without a sorted set its middle need not be known.
#[derive(Default)]
struct Request<'a> {
    centre: Option<Place>,
    from_member: bool,
    shape: Option<Shape>,
    /// Metres that the unit of the request has.
    metres: f64,
    with_distance: bool,
    with_hash: bool,
    with_coordinates: bool,
    count: Option<u64>,
    /// ANY: stop at the first `count`.
    any: bool,
    descending: Option<bool>,
    store_at: Option<&'a [u8]>,
    store_distance: bool,
}

/// The place of a member of a sorted set, if there is one.
fn place_of(set: Option<SortedSetRef>, member: &[u8]) -> Result<Option<Place>> {
    let Some(set) = set else { return Ok(None) };
    let score = set.score(member).ok_or(Error::new("ERR could not decode requested zset member"))?;
    Ok(Some(Place::from_score(score)))
}

impl<'a> Request<'a> {
    fn read(cursor: &mut Cursor<'a>, form: Form, set: Option<SortedSetRef>, command: &[u8]) -> Result<Self> {
        let mut request = Request::default();
        match form {
            Form::Radius { .. } => {
                request.centre = Some(place(cursor.value()?, cursor.value()?)?);
                request.read_circle(cursor)?;
            }
            Form::RadiusByMember { .. } => {
                request.centre = place_of(set, cursor.value()?)?;
                if set.is_some() {
                    request.read_circle(cursor)?;
                } else {
                    // Redis does not look at them then.
                    cursor.value()?;
                    cursor.value()?;
                }
            }
            Form::Search => {}
            Form::SearchStore => request.store_at = Some(b""),
        }
        while cursor.left() > 0 {
            if !request.read_option(cursor, form)? && !request.read_area_option(cursor, form, set)? {
                return Err(Error::SYNTAX);
            }
        }
        request.check(form, command)?;
        Ok(request)
    }

    /// A radius and its unit.
    fn read_circle(&mut self, cursor: &mut Cursor) -> Result {
        let radius = length(cursor.value()?, "ERR need numeric radius", "ERR radius cannot be negative")?;
        self.metres = unit(cursor.value()?)?;
        self.shape = Some(Shape::Circle(radius * self.metres));
        Ok(())
    }

    /// A width, a height and their unit.
    fn read_box(&mut self, cursor: &mut Cursor) -> Result {
        let number = |text, error| parse_f64(text).ok_or(Error::new(error));
        let width = number(cursor.value()?, "ERR need numeric width")?;
        let height = number(cursor.value()?, "ERR need numeric height")?;
        if width < 0.0 || height < 0.0 {
            return Err(Error::new("ERR height or width cannot be negative"));
        }
        self.metres = unit(cursor.value()?)?;
        self.shape = Some(Shape::Box { width: width * self.metres, height: height * self.metres });
        Ok(())
    }

    /// Reads an option that any of the commands may have; `false` if there is another.
    fn read_option(&mut self, cursor: &mut Cursor<'a>, form: Form) -> Result<bool> {
        if cursor.keyword("WITHDIST") {
            self.with_distance = true;
        } else if cursor.keyword("WITHHASH") {
            self.with_hash = true;
        } else if cursor.keyword("WITHCOORD") {
            self.with_coordinates = true;
        } else if cursor.keyword("ANY") {
            self.any = true;
        } else if cursor.keyword("ASC") {
            self.descending = Some(false);
        } else if cursor.keyword("DESC") {
            self.descending = Some(true);
        } else if let Some(count) = cursor.keyword_with_value("COUNT") {
            let count = u64::try_from(int(count)?).ok().filter(|count| *count > 0);
            self.count = Some(count.ok_or(Error::new("ERR COUNT must be > 0"))?);
        } else if form == Form::SearchStore && cursor.keyword("STOREDIST") {
            self.store_distance = true;
        } else if form.may_store_at()
            && let Some(key) = cursor.keyword_with_value("STORE")
        {
            (self.store_at, self.store_distance) = (Some(key), false);
        } else if form.may_store_at()
            && let Some(key) = cursor.keyword_with_value("STOREDIST")
        {
            (self.store_at, self.store_distance) = (Some(key), true);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Reads an option that says where to search; `false` if there is none.
    fn read_area_option(
        &mut self,
        cursor: &mut Cursor<'a>,
        form: Form,
        set: Option<SortedSetRef>,
    ) -> Result<bool> {
        let (left, from_place) = (cursor.left(), self.centre.is_some() && !self.from_member);
        let (circle, is_box) =
            (matches!(self.shape, Some(Shape::Circle(_))), matches!(self.shape, Some(Shape::Box { .. })));
        if !form.has_options() {
            return Ok(false);
        }
        if left >= 2 && !from_place && cursor.keyword("FROMMEMBER") {
            self.centre = place_of(set, cursor.value()?)?;
            self.from_member = true;
        } else if left >= 3 && !self.from_member && cursor.keyword("FROMLONLAT") {
            self.centre = Some(place(cursor.value()?, cursor.value()?)?);
        } else if left >= 3 && !is_box && cursor.keyword("BYRADIUS") {
            self.read_circle(cursor)?;
        } else if left >= 4 && !circle && cursor.keyword("BYBOX") {
            self.read_box(cursor)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn check(&self, form: Form, command: &[u8]) -> Result {
        if self.store_at.is_some() && (self.with_distance || self.with_hash || self.with_coordinates) {
            let what = if form == Form::SearchStore { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(Error::text(format!(
                "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        let one_of = |what: &str| {
            let mut text = format!("ERR exactly one of {what} can be specified for ").into_bytes();
            text.extend(command);
            Error::bytes(text)
        };
        if form.has_options() && self.centre.is_none() && !self.from_member {
            return Err(one_of("FROMMEMBER or FROMLONLAT"));
        }
        if form.has_options() && self.shape.is_none() {
            return Err(one_of("BYRADIUS and BYBOX"));
        }
        if self.any && self.count.is_none() {
            return Err(Error::new("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }

    /// The members inside, sorted and cut off as requested.
    fn find(&self, set: SortedSetRef) -> Vec<Found> {
        let (Some(centre), Some(shape)) = (self.centre, self.shape) else { return Vec::new() };
        let area = Area { centre, shape };
        let count = self.count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let enough = if self.any { count } else { usize::MAX };
        let mut found = Vec::new();
        for tile in area.tiles() {
            if found.len() >= enough {
                break;
            }
            let (from, to) = tile.scores();
            let positions = set.count_below_score(from, false)..set.count_below_score(to, false);
            for (member, score) in set.pairs(positions, false) {
                let place = Place::from_score(score);
                let Some(distance) = area.distance_inside(place) else { continue };
                let member = member.bytes(&mut IntBuf::new()).into();
                found.push(Found { member, score, place, distance });
                if found.len() >= enough {
                    break;
                }
            }
        }
        // Only the nearest are worth counting.
        let unsorted = self.descending.is_none() && (self.any || self.count.is_none());
        if !unsorted {
            let descending = self.descending == Some(true);
            found.sort_by(|a, b| {
                let order = a.distance.total_cmp(&b.distance);
                if descending { order.reverse() } else { order }
            });
        }
        found.truncate(count);
        found.iter_mut().for_each(|found| found.distance /= self.metres);
        found
    }
}

/// A member inside, with its distance: in metres first, then in the unit of the request.
struct Found {
    member: Box<[u8]>,
    score: f64,
    place: Place,
    distance: f64,
}

fn search(call: &mut Call, form: Form) -> Result {
    let source = if form == Form::SearchStore { 2 } else { 1 };
    let set = call.server.read_sorted_set(call.access(), call.args.at(source))?;
    let mut cursor = Cursor::new(call.args, source + 1);
    let mut request = Request::read(&mut cursor, form, set, call.args.at(0))?;
    let found = set.map_or_else(Vec::new, |set| request.find(set));
    if form == Form::SearchStore {
        request.store_at = Some(call.args.at(1));
    }
    match request.store_at {
        Some(key) => store(call, key, &found, form, request.store_distance),
        None => show(call, &found, &request),
    }
    Ok(())
}

fn show(call: &mut Call, found: &[Found], request: &Request) {
    let parts = [request.with_distance, request.with_hash, request.with_coordinates];
    let parts = parts.into_iter().filter(|wanted| *wanted).count();
    call.reply.array(found.len());
    for Found { member, score, place, distance } in found {
        if parts > 0 {
            call.reply.array(1 + parts);
        }
        call.reply.bulk(member);
        if request.with_distance {
            call.reply.bulk(distance_text(*distance).as_bytes());
        }
        if request.with_hash {
            call.reply.int(*score as i64);
        }
        if request.with_coordinates {
            call.reply.array(2);
            call.reply.double(place.longitude);
            call.reply.double(place.latitude);
        }
    }
}

fn store(call: &mut Call, key: &[u8], found: &[Found], form: Form, distances: bool) {
    let score = |found: &Found| if distances { found.distance } else { found.score };
    let mut pairs: Vec<Pair> = found.iter().map(|found| (found.member.clone(), score(found))).collect();
    pairs.sort_unstable_by(|a, b| compare((a.1, &a.0), (b.1, &b.0)));
    let event = if form == Form::SearchStore { "geosearchstore" } else { "georadiusstore" };
    call.store_sorted_set(key, &pairs, sorted_set_event(event));
}
