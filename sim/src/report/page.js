// Draws the film of a world: lanes over simulated time, which is in seconds here. Only what is in view is drawn.
"use strict";
(() => {
  const film = JSON.parse(document.getElementById("film").textContent);
  const at = (id) => document.getElementById(id);
  const LEFT = 104, TOP = 26, GAP = 6, MOST_ROWS = 8, MOST_DRAWN = 2500;
  const SVG = "http://www.w3.org/2000/svg";

  const element = (name, attributes, parent, text) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  };
  const html = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const seconds = (s) => s.toFixed(6);

  // ---- what there is

  const READS = new Set(("GET MGET STRLEN GETRANGE EXISTS TYPE TTL PTTL EXPIRETIME PEXPIRETIME TOUCH PING HGET HMGET HGETALL " +
    "HKEYS HVALS HLEN HEXISTS HSTRLEN HRANDFIELD LLEN LINDEX LRANGE SCARD SISMEMBER SMISMEMBER SMEMBERS SRANDMEMBER SINTER " +
    "SUNION SDIFF SINTERCARD SUNIONCARD SDIFFCARD ZCARD ZSCORE ZRANK ZREVRANK ZCOUNT ZRANGE ZREVRANGE ZRANGEBYSCORE GETBIT " +
    "BITCOUNT BITPOS BITFIELD_RO PFCOUNT WATCH UNWATCH XLEN XRANGE XREAD DBSIZE INFO LOOK").split(" "));
  const kind = (op) => {
    if (op.offending) return "offending";
    if (op.end === null) return "lost";
    // A number may be negative.
    if (/^-[A-Z]/.test(op.reply)) return "error";
    if (op.text.startsWith("MULTI")) return "transaction";
    return READS.has(op.text.split(" ")[0]) ? "read" : "write";
  };
  const end = film.end;
  film.ops.forEach((op, index) => {
    op.index = index;
    op.kind = kind(op);
    op.until = op.end === null ? Math.min(op.gone === null ? end : op.gone, end) : op.end;
  });
  film.marks.forEach((mark, index) => { mark.index = index; mark.until = mark.at + mark.lasts; });

  // A lane has as many rows as things that happen at once.
  const lanes = film.lanes.map((name) => ({ name, rows: 1, ops: [], marks: [] }));
  const laneOf = new Map(lanes.map((lane) => [lane.name, lane]));
  for (const op of film.ops) laneOf.get(op.lane).ops.push(op);
  for (const mark of film.marks) laneOf.get(mark.lane).marks.push(mark);
  for (const lane of lanes) {
    const free = [];
    lane.ops.sort((a, b) => a.begin - b.begin || a.index - b.index);
    for (const op of lane.ops) {
      let place = free.findIndex((until) => until <= op.begin);
      if (place < 0) place = free.length < MOST_ROWS ? free.length : MOST_ROWS - 1;
      free[place] = Math.max(op.until, free[place] || 0);
      op.row = place;
      lane.rows = Math.max(lane.rows, place + 1);
    }
  }
  // Rows are as high as there is room for.
  let row = 17, height = TOP;
  function layOut() {
    const rows = lanes.reduce((sum, lane) => sum + lane.rows, 0);
    const room = at("chart").clientHeight - TOP - lanes.length * GAP - 10;
    row = Math.min(Math.max(Math.floor(room / rows), 17), 30);
    height = TOP;
    for (const lane of lanes) {
      lane.top = height;
      height += lane.rows * row + GAP;
    }
  }

  // ---- what is in view

  const view = { from: 0, to: end, keys: new Set(), text: "", chosen: null };
  const matches = (op) =>
    (view.keys.size === 0 || op.keys.some((key) => view.keys.has(key)) || op.keys.length === 0 && op.offending) &&
    (view.text === "" || `${op.text} ${op.reply || ""}`.toLowerCase().includes(view.text));
  const inView = (from, to) => to >= view.from && from <= view.to;
  const drawing = at("drawing");
  const width = () => Math.max(at("chart").clientWidth - LEFT - 8, 50);
  const x = (time) => LEFT + (time - view.from) / (view.to - view.from) * width();

  function draw() {
    layOut();
    drawing.setAttribute("height", height + 8);
    drawing.replaceChildren();
    drawLanes();
    const things = element("g", {}, drawing);
    let shown = 0, matching = 0;
    for (const lane of lanes) {
      const ops = lane.ops.filter((op) => inView(op.begin, op.until) && matches(op));
      matching += ops.length;
      shown += drawOps(lane, ops, things);
      lane.marks.filter((mark) => inView(mark.at, mark.until)).forEach((mark) => drawMark(lane, mark, things));
    }
    drawNames();
    at("shown").textContent = `${matching} of ${film.ops.length} operations in view`;
    listEvents();
    at("failure").disabled = !film.ops.some((op) => op.offending) && !film.failed;
    window.report.drawn = shown;
  }

  function drawLanes() {
    lanes.forEach((lane, index) => {
      const shape = { x: 0, y: lane.top - GAP / 2, width: "100%", height: lane.rows * row + GAP };
      element("rect", { class: index % 2 ? "lane odd" : "lane", ...shape }, drawing);
    });
    const span = view.to - view.from;
    const raw = span / (width() / 110);
    const unit = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((factor) => factor * unit).find((step) => step >= raw);
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    for (let time = Math.ceil(view.from / step) * step; time <= view.to; time += step) {
      element("line", { class: "grid", x1: x(time), x2: x(time), y1: TOP - 6, y2: height }, drawing);
      element("text", { class: "axis", x: x(time) + 3, y: 14 }, drawing, `${time.toFixed(digits)} s`);
    }
    for (const mark of film.marks.filter((mark) => mark.kind === "peace" || mark.kind === "fault")) {
      if (inView(mark.at, mark.at)) {
        element("line", { class: `rule ${mark.kind}`, x1: x(mark.at), x2: x(mark.at), y1: TOP - 6, y2: height }, drawing);
      }
    }
  }

  // Names stand above what scrolls beneath them.
  function drawNames() {
    element("rect", { class: "names", x: 0, y: 0, width: LEFT - 4, height }, drawing);
    for (const lane of lanes) {
      element("text", { class: "name", x: 10, y: lane.top + row / 2 + 3 }, drawing, lane.name);
    }
  }

  // Where there are too many to tell apart, those that share a pixel are one.
  function drawOps(lane, ops, parent) {
    const crowded = ops.length > MOST_DRAWN / lanes.length && ops.length > width() / 3;
    let drawn = 0;
    const last = [];
    for (const op of ops) {
      const from = Math.max(x(op.begin), LEFT - 4), to = Math.min(x(op.until), LEFT + width() + 8);
      const wide = Math.max(to - from, 2);
      if (crowded && !op.offending && wide <= 2 && last[op.row] !== undefined && from - last[op.row] < 2) continue;
      last[op.row] = from;
      drawn += 1;
      const chosen = view.chosen === op ? " chosen" : "";
      const group = element("g", { class: `op ${op.kind}${chosen}`, "data-op": op.index }, parent);
      const y = lane.top + op.row * row;
      element("rect", { x: from, y, width: wide, height: row - 3 }, group);
      if (op.answered !== null && wide > 12 && op.answered > view.from && op.answered < view.to) {
        element("line", { class: "written", x1: x(op.answered), x2: x(op.answered), y1: y + row - 9, y2: y + row - 3 }, group);
      }
      const room = Math.floor((wide - 6) / 7);
      if (room >= 3) {
        const label = op.reply === null ? op.text : `${op.text} → ${op.reply}`;
        const cut = label.length > room ? label.slice(0, room - 1) + "…" : label;
        element("text", { class: "call", x: from + 3, y: y + row / 2 + 2.5 }, group, cut);
      }
    }
    return drawn;
  }

  function drawMark(lane, mark, parent) {
    const from = Math.max(x(mark.at), LEFT - 4), to = Math.min(x(mark.until), LEFT + width() + 8);
    const long = mark.lasts > 0 && to - from > 3;
    const chosen = view.chosen === mark ? " chosen" : "";
    const group = element("g", { class: `mark ${mark.kind}${long ? " long" : ""}${chosen}`, "data-mark": mark.index }, parent);
    const rows = lane.rows * row - 3;
    if (long) {
      element("rect", { x: from, y: lane.top, width: to - from, height: rows }, group);
    } else if (mark.kind === "fault" || mark.kind === "peace") {
      element("path", { d: `M${from - 5} ${lane.top}h10l-5 9z` }, group);
    } else {
      element("rect", { x: from - 1, y: lane.top + (lane.ops.length ? 0 : 2), width: 2, height: lane.ops.length ? 5 : rows - 4 }, group);
    }
    const room = Math.floor((to - from) / 6);
    const named = mark.kind === "fault" || mark.kind === "peace";
    if (named && (long ? room > 4 : lane.name === "faults")) {
      const text = long && mark.text.length > room ? mark.text.slice(0, room - 1) + "…" : mark.text;
      element("text", { x: from + (long ? 3 : 7), y: lane.top + row / 2 + 2.5 }, group, text);
    }
  }

  // ---- words beside the drawing

  function describe(thing) {
    const details = at("details");
    details.replaceChildren();
    const list = html("dl");
    const add = (name, value) => list.append(html("dt", "", name), html("dd", "mono", value));
    if (thing.begin !== undefined) {
      details.append(html("h2", "", `${thing.lane}, session ${thing.session}`), html("pre", "", thing.text));
      add("reply", thing.reply === null ? "none" : thing.reply);
      add("sent", `${seconds(thing.begin)} s`);
      if (thing.answered !== null) add("written", `${seconds(thing.answered)} s, by the server`);
      if (thing.end !== null) add("received", `${seconds(thing.end)} s, after ${((thing.end - thing.begin) * 1e3).toFixed(3)} ms`);
      if (thing.keys.length) add("keys", [...new Set(thing.keys)].join(" "));
      if (thing.offending) add("verdict", "the check cannot explain it");
    } else {
      details.append(html("h2", "", `${thing.lane}: ${thing.kind}`), html("pre", "", thing.text));
      add("at", `${seconds(thing.at)} s`);
      if (thing.lasts > 0) add("lasts", `${seconds(thing.lasts)} s`);
    }
    details.append(list);
  }

  const line = (time, text, className, thing) => {
    const item = html("li", className);
    item.append(html("time", "", seconds(time)), document.createTextNode(text));
    item.addEventListener("click", () => choose(thing, true));
    return item;
  };

  function listEvents() {
    const MOST = 200;
    // A fault is told once; messages and what the disk does are only drawn.
    const told = (mark) => !["down", "disk", "message"].includes(mark.kind);
    const seen = film.marks.filter((mark) => told(mark) && inView(mark.at, mark.until)).sort((a, b) => a.at - b.at);
    const items = seen.slice(0, MOST).map((mark) => line(mark.at, `${mark.lane}: ${mark.text}`, "", mark));
    if (seen.length > MOST) items.push(html("li", "hint", `and ${seen.length - MOST} more: zoom in`));
    at("events").replaceChildren(...items);
  }

  function choose(thing, move) {
    view.chosen = thing;
    describe(thing);
    const from = thing.begin === undefined ? thing.at : thing.begin;
    if (move && !(from >= view.from && thing.until <= view.to && x(thing.until) - x(from) > 3)) {
      const span = Math.max((thing.until - from) * 6, Math.min((view.to - view.from) / 4, 0.05));
      show((from + thing.until - span) / 2, (from + thing.until + span) / 2);
    } else {
      draw();
    }
  }

  // ---- moving

  function show(from, to) {
    const span = Math.min(Math.max(to - from, 2e-6), end * 1.02);
    const start = Math.min(Math.max(from, -end * 0.01), end * 1.01 - span);
    view.from = start;
    view.to = start + span;
    draw();
  }
  const zoom = (factor, around) => {
    const middle = around === undefined ? (view.from + view.to) / 2 : around;
    show(middle - (middle - view.from) * factor, middle + (view.to - middle) * factor);
  };
  const pan = (part) => {
    const by = (view.to - view.from) * part;
    show(view.from + by, view.to + by);
  };
  const whole = () => show(-end * 0.01, end * 1.01);
  function toFailure() {
    const wrong = film.ops.filter((op) => op.offending);
    if (!wrong.length) return show(end * 0.9, end * 1.01);
    const to = Math.max(...wrong.map((op) => op.until));
    // With some of what came before.
    const before = film.ops.filter((op) => op.begin < to && matches(op)).map((op) => op.begin).sort((a, b) => b - a);
    const from = Math.min(before[Math.min(before.length, wrong.length + 8) - 1], ...wrong.map((op) => op.begin));
    const span = Math.max((to - from) * 1.25, 1e-4);
    view.chosen = wrong[0];
    describe(wrong[0]);
    show(to - span * 0.88, to + span * 0.12);
  }
  const timeAt = (event) => {
    const inside = event.clientX - drawing.getBoundingClientRect().left - LEFT;
    return view.from + inside / width() * (view.to - view.from);
  };
  const thingAt = (event) => {
    const group = event.target.closest("[data-op], [data-mark]");
    if (!group) return null;
    return group.dataset.op !== undefined ? film.ops[group.dataset.op] : film.marks[group.dataset.mark];
  };

  at("chart").addEventListener("wheel", (event) => {
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      pan((event.deltaX || event.deltaY) / 1000);
    } else {
      zoom(Math.exp(event.deltaY / 400), timeAt(event));
    }
    event.preventDefault();
  }, { passive: false });
  let drag = null;
  drawing.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, from: view.from, to: view.to, moved: false, thing: thingAt(event) };
  });
  window.addEventListener("pointermove", (event) => {
    if (!drag) {
      const thing = event.target instanceof Element ? thingAt(event) : null;
      if (thing && !view.chosen) describe(thing);
      return;
    }
    if (Math.abs(event.clientX - drag.x) > 3) drag.moved = true;
    if (drag.moved) {
      drawing.classList.add("dragging");
      const by = (drag.x - event.clientX) / width() * (drag.to - drag.from);
      show(drag.from + by, drag.to + by);
    }
  });
  window.addEventListener("pointerup", () => {
    if (drag && !drag.moved) {
      if (drag.thing) choose(drag.thing, false);
      else { view.chosen = null; draw(); }
    }
    drag = null;
    drawing.classList.remove("dragging");
  });
  drawing.addEventListener("dblclick", (event) => zoom(1 / 3, timeAt(event)));
  const actions = {
    "+": () => zoom(1 / 1.6), "=": () => zoom(1 / 1.6), "-": () => zoom(1.6), 0: whole, f: toFailure,
    ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2), Escape: () => { view.chosen = null; draw(); },
  };
  window.addEventListener("keydown", (event) => {
    if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || !actions[event.key]) return;
    actions[event.key]();
    event.preventDefault();
  });
  at("in").addEventListener("click", actions["+"]);
  at("out").addEventListener("click", actions["-"]);
  at("fit").addEventListener("click", whole);
  at("failure").addEventListener("click", toFailure);
  at("keys").addEventListener("input", () => {
    view.keys = new Set(at("keys").value.split(/[\s,]+/).filter((key) => key));
    draw();
  });
  at("text").addEventListener("input", () => {
    view.text = at("text").value.toLowerCase();
    draw();
  });
  window.addEventListener("resize", draw);

  // ---- the beginning

  document.title = film.title;
  at("title").textContent = film.title;
  at("verdict").textContent = film.verdict;
  at("verdict").classList.toggle("failed", film.failed);
  at("facts").textContent = film.facts;
  at("replay").textContent = film.replay;
  const keys = [...new Set(film.ops.flatMap((op) => op.keys))].sort();
  at("all-keys").append(...keys.map((key) => { const made = html("option"); made.value = key; return made; }));
  const wrong = film.ops.filter((op) => op.offending);
  if (wrong.length) {
    at("offending").append(html("h2", "", "Cannot be explained"), ...wrong.map((op) =>
      line(op.begin, `${op.lane}: ${op.text} → ${op.reply === null ? "no reply" : op.reply}`, "offending mono", op)));
  }
  if (film.explanation) {
    const more = html("details");
    more.append(html("summary", "", "What the check says"), html("pre", "", film.explanation));
    more.open = !wrong.length;
    at("explanation").append(more);
  }
  window.report = { film, view, lanes, show, drawn: 0 };
  if (film.failed) {
    at("keys").value = [...new Set(wrong.flatMap((op) => op.keys))].join(" ");
    view.keys = new Set(at("keys").value.split(" ").filter((key) => key));
    whole();
    if (wrong.length) toFailure();
  } else {
    whole();
  }
})();
