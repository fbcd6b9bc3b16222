// The picture of a running campaign. The server's snapshot is the truth; this page only shows it.
// Names, numbers and reasons come from users' lists: they are written as text, never as HTML
// (the Content-Security-Policy forbids the other ways as well).

const SILENCE_MS = 5000; // So long without a picture, and the connection counts as lost.
const RETRY_MS = 2000;
const SAY_MS = 10000; // A screen reader hears the dialer's sentence at most so often.

const $ = (id) => document.getElementById(id);

/** Writes only what changed, so that nothing flickers and selections stay. */
function text(target, value) {
  const element = typeof target === "string" ? $(target) : target;
  const now = String(value);
  if (element.textContent !== now) element.textContent = now;
}

/** A text that may be cut for want of room; the whole of it shows on pointing. */
function cut(element, value) {
  text(element, value);
  attribute(element, "title", value);
}

function attribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function hide(id, isHidden) {
  const element = $(id);
  if (element.hidden !== isHidden) element.hidden = isHidden;
}

const word = (name) => (name === "wrap_up" ? "wrap-up" : name.replaceAll("_", " "));
const count = (n) => n.toLocaleString("en");
const plural = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
const percent = (share) => `${(100 * share).toFixed(1)} %`;

function duration(seconds) {
  const s = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return `${minutes}:${two(s % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(s % 60)}`;
}

// --- times, told in the zone that the server names ----------------------------------------------

const formats = new Map();

function inZone(zone, options) {
  const key = zone + JSON.stringify(options);
  if (!formats.has(key)) {
    formats.set(key, new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone }));
  }
  return formats.get(key);
}

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const DAY = { weekday: "short", day: "numeric", month: "short" };
const clock = (at, zone) => inZone(zone, CLOCK).format(new Date(at));
const day = (at, zone) => inZone(zone, DAY).format(new Date(at));
const place = (zone) => zone.split("/").pop().replaceAll("_", " ");

function nextAllowed(refusal, picture) {
  if (refusal.next_allowed_at === null) return "time alone will not mend it";
  const { zone, at } = picture;
  const next = refusal.next_allowed_at;
  const when = clock(next, zone).slice(0, 5);
  const today = day(next, zone) === day(at, zone);
  return `next allowed ${today ? "" : `${day(next, zone)}, `}${when}`;
}

// --- rows that keep their place and their element -----------------------------------------------

function rows(list, items, key, template, fill) {
  const before = new Map([...list.children].map((row) => [row.dataset.key, row]));
  const seen = new Map();
  let place = list.firstElementChild;
  for (const item of items) {
    const times = seen.get(key(item)) ?? 0;
    seen.set(key(item), times + 1);
    const id = `${key(item)} ${times}`;
    let row = before.get(id);
    if (row === undefined) {
      row = document.importNode($(template).content.firstElementChild, true);
      row.dataset.key = id;
    } else {
      before.delete(id);
    }
    fill(row, item);
    if (row === place) place = place.nextElementSibling;
    else list.insertBefore(row, place);
  }
  for (const gone of before.values()) gone.remove();
}

const part = (row, name) => row.querySelector(`[data-${name}]`);

function pill(element, state, words) {
  attribute(element, "data-is", state);
  text(element, words);
}

function bars(id, counts, name) {
  const most = Math.max(1, ...counts.map((c) => c.count));
  rows($(id), counts, (c) => c.name, "bar-row", (row, c) => {
    cut(part(row, "name"), name(c.name));
    text(part(row, "count"), count(c.count));
    part(row, "fill").style.width = `${(100 * c.count) / most}%`;
    attribute(row, "data-word", c.name);
  });
  hide(`${id}-none`, counts.length > 0);
}

// --- the picture --------------------------------------------------------------------------------

let shown = null;

function show(p) {
  shown = p;
  document.body.classList.remove("is-waiting");
  document.title = `${p.is_sandbox ? "Sandbox: " : ""}${p.campaign} – Fairdial`;
  showTop(p);
  showFigures(p);
  showAgents(p);
  showCalls(p);
  showRefusals(p);
  bars("outcomes", p.outcomes, word);
  bars("dispositions", p.dispositions, word);
}

function showTop(p) {
  const now = `${day(p.at, p.zone)}, ${clock(p.at, p.zone)} ${place(p.zone)}`;
  hide("sandbox", !p.is_sandbox);
  hide("live-calls", p.is_sandbox);
  hide("clock-fact", p.is_sandbox);
  text(p.is_sandbox ? "sandbox-clock" : "clock", now);
  text("campaign", p.campaign);
  text("seller", p.seller);
  text("purpose", word(p.purpose));
  text("dial-mode", p.dial_level > 0
    ? `${word(p.dial_mode)}, ${p.dial_level.toFixed(1)} calls per agent`
    : word(p.dial_mode));
  text("caller-id", p.caller_id);
  text("since", `${day(p.since, p.zone)}, ${clock(p.since, p.zone)} ${place(p.zone)}`);

  const { done, of, what } = p.progress;
  const share = of > 0 ? Math.min(1, done / of) : 0;
  text("progress-words", `${count(done)} of ${count(of)} ${what}`);
  text("progress-share", `${Math.floor(100 * share)} %`);
  $("progress").value = share;
  text("leads", `leads: ${count(p.leads_due)} due, ${count(p.leads_later)} later`);

  text("state", p.state);
  const engine = $("engine");
  attribute(engine, "data-is", p.is_engine_up ? "up" : "down");
  text(engine, p.is_engine_up ? "engine up" : "ENGINE DOWN");
  say(p.state);
}

function showFigures(p) {
  text("in-flight", count(p.in_flight));
  text("in-flight-more", `${count(p.waiting)} answered, waiting for an agent`);
  text("answered", count(p.answered));
  text("answered-more", `of ${plural(p.attempts, "attempt")}`);
  text("connected", count(p.connected));
  text("connected-more", "spoke with an agent");

  const a = p.abandonment_30d;
  text("abandoned", count(p.abandoned));
  text("abandon-rate", percent(a.rate));
  text("abandon-more", `${a.is_over ? "OVER" : "under"} the ceiling of ${percent(a.ceiling)}; `
    + `30 days: ${count(a.abandoned)} of ${plural(a.live_answers, "live answer")}`);
  const scale = Math.max(a.ceiling / 0.6, a.rate);
  $("gauge-fill").style.width = `${(100 * a.rate) / scale}%`;
  $("gauge-ceiling").style.left = `${(100 * a.ceiling) / scale}%`;
  attribute($("gauge"), "aria-valuemax", (100 * scale).toFixed(1));
  attribute($("gauge"), "aria-valuenow", (100 * a.rate).toFixed(1));
  attribute($("gauge"), "aria-valuetext", `${percent(a.rate)}, ceiling ${percent(a.ceiling)}`);
  $("abandoned-box").classList.toggle("is-over", a.is_over);

  text("refused", count(p.refused));
  text("refused-more", "by a rule; nothing rang");
  text("agents-count", count(p.agents.length));
  rows($("agents-by-state"), p.agents_by_state, (c) => c.name, "pill", (row, c) => {
    pill(row, c.name, `${count(c.count)} ${word(c.name)}`);
  });
}

function showAgents(p) {
  rows($("agents"), p.agents, (a) => a.id, "agent-row", (row, a) => {
    cut(part(row, "name"), a.name);
    pill(part(row, "state"), a.state, word(a.state));
    text(part(row, "for"), duration(a.state_s));
    cut(part(row, "on"), [a.on, a.pause_asked ? "pause next" : null].filter(Boolean).join(", "));
  });
  hide("agents-none", p.agents.length > 0);
}

function showCalls(p) {
  rows($("calls"), p.calls, (c) => c.id, "call-row", (row, c) => {
    text(part(row, "number"), c.number);
    cut(part(row, "name"), c.name);
    pill(part(row, "state"), c.state, word(c.state));
    text(part(row, "for"), duration(c.state_s));
    cut(part(row, "agent"), c.agent ?? "");
  });
  hide("calls-none", p.calls.length > 0);
}

function showRefusals(p) {
  bars("rules", p.refused_by_rule, (name) => name);
  rows($("refusals"), p.refusals, (r) => `${r.at} ${r.number} ${r.name}`, "refusal-row", (row, r) => {
    cut(part(row, "name"), r.name);
    text(part(row, "number"), r.number);
    text(part(row, "at"), clock(r.at, p.zone));
    text(part(row, "why"), r.reasons.map((reason) => reason.why).join("; "));
    text(part(row, "rule"), r.reasons.map((reason) => reason.rule).join(", "));
    text(part(row, "next"), nextAllowed(r, p));
  });
  hide("newest-head", p.refusals.length === 0);
}

// --- what a screen reader hears: the dialer's sentence, now and then ----------------------------

let saidAt = -Infinity;

function say(sentence, isUrgent = false) {
  if (!isUrgent && performance.now() - saidAt < SAY_MS) return;
  saidAt = performance.now();
  text("said", sentence);
}

// --- the connection -----------------------------------------------------------------------------

let stream = null;
let heardAt = performance.now();
let retryAt = Infinity;
let isLost = false;

function connected() {
  heardAt = performance.now();
  retryAt = Infinity;
  if (isLost) say("Connected again.", true);
  isLost = false;
  hide("lost", true);
  document.body.classList.remove("is-lost");
  text("link", "live");
  attribute($("link"), "data-is", "up");
}

function lost(what) {
  const sentence = shown === null
    ? `${what} – no picture yet`
    : `${what} – showing the picture of ${clock(shown.at, shown.zone)}`;
  text("lost", sentence);
  hide("lost", false);
  document.body.classList.add("is-lost");
  text("link", "not live, trying again …");
  attribute($("link"), "data-is", "down");
  if (!isLost) say(sentence, true);
  isLost = true;
}

function open() {
  if (stream !== null) stream.close();
  heardAt = performance.now();
  retryAt = Infinity;
  stream = new EventSource("/api/pictures");
  stream.addEventListener("picture", (event) => {
    connected();
    show(JSON.parse(event.data));
  });
  stream.addEventListener("trouble", (event) => {
    heardAt = performance.now();
    lost(JSON.parse(event.data).detail);
  });
  stream.addEventListener("error", () => {
    const isRefused = stream.readyState === EventSource.CLOSED;
    // A lost connection the browser mends by itself; an answer other than a stream it gives up on.
    if (isRefused) void lookOnce();
    else lost("Connection lost");
  });
}

/** All live seats are taken, or something else stands in the way: ask for one picture instead. */
async function lookOnce() {
  retryAt = performance.now() + RETRY_MS;
  try {
    const answer = await fetch("/api/picture");
    const body = await answer.json();
    if (!answer.ok) {
      lost(body.detail);
      return;
    }
    connected();
    show(body);
    text("link", "no live seat is free: a picture every few seconds");
  } catch {
    lost("Connection lost");
  }
  retryAt = performance.now() + RETRY_MS;
}

setInterval(() => {
  const now = performance.now();
  if (now >= retryAt) {
    open();
  } else if (now - heardAt > SILENCE_MS && stream.readyState !== EventSource.CLOSED) {
    lost("Connection lost");
    open();
  }
}, 500);

open();
