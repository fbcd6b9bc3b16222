// An agent's phone. The server's desk is the truth; this page shows it, and is the audio.
// Names, numbers and scripts come from users' lists: they are written as text, never as HTML.

const LOST_MS = 2000; // A connection that is "disconnected" for so long is made again.
const AGAIN_MS = [500, 1000, 2000, 4000];
const TONE_MS = 4000; // How long the tone of the line is listened for.
const TONE_HZ = [620, 700]; // The engine's line tone is 660 Hz.
const TALK_KEYS = ["talking", "reserved"];

const $ = (id) => document.getElementById(id);
const word = (name) => (name === "wrap_up" ? "wrap-up" : name.replaceAll("_", " "));

function text(id, value) {
  if ($(id).textContent !== value) $(id).textContent = value;
}

function chip(id, value, is) {
  text(id, value);
  $(id).dataset.is = is;
}

function trouble(value) {
  text("lost", value ?? "");
  $("lost").hidden = !value;
}

// A window keeps its name over a reload, so that it takes its own phone up again.
const kept = sessionStorage;
const mine = kept.getItem("window") ?? [...crypto.getRandomValues(new Uint8Array(16))]
  .map((b) => b.toString(16).padStart(2, "0")).join("");
kept.setItem("window", mine);

let session = kept.getItem("session");
let desk = null;
let deskAt = 0;
let iceServers = [];
let events = null;
let microphone = null;
let connection = null;
let sound = null;
let tries = 0;
let again = 0;
let isConnecting = false;

const path = (what) => `/api/phones/${session}/${what}`;

async function post(what, body) {
  const answer = await fetch(path(what), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body ?? {}),
  });
  const told = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw new Error(told?.detail ?? `The server answered ${answer.status}.`);
  return told;
}

async function ask(what, body) {
  try {
    await post(what, body);
    trouble(null);
  } catch (error) {
    trouble(typeof error.message === "string" ? error.message : "That did not work.");
  }
}

// --- who I am -----------------------------------------------------------------------------------

async function choose() {
  try {
    const answer = await fetch("/api/phones");
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.detail);
    iceServers = told.ice_servers.map((s) =>
      Object.fromEntries(Object.entries(s).filter(([, value]) => value !== null)));
    $("sandbox").hidden = !told.is_sandbox;
    chip("link", "live", "up");
    trouble(null);
    const found = told.phones.find((phone) => phone.session === session);
    if (found) return open(found.session);
    session = null;
    $("choose").hidden = false;
    $("desk").hidden = true;
    text("choose-none", told.phones.length ? "" : "No agent of this campaign has a browser as phone.");
    $("agents").replaceChildren(...told.phones.map((phone) => {
      const item = document.importNode($("choice").content.firstElementChild, true);
      item.querySelector("[data-name]").textContent = phone.agent;
      const pill = item.querySelector("[data-state]");
      pill.textContent = phone.is_connected ? "in use" : word(phone.state);
      pill.dataset.is = phone.is_connected ? "wrap_up" : "connected";
      item.querySelector("button").addEventListener("click", () => open(phone.session));
      return item;
    }));
  } catch (error) {
    chip("link", "not connected", "down");
    trouble(`The server does not answer: ${error.message}`);
  }
  if (session === null) setTimeout(() => session === null && choose(), 2000);
}

function open(id) {
  session = id;
  kept.setItem("session", id);
  $("choose").hidden = true;
  $("desk").hidden = false;
  events?.close();
  events = new EventSource(path("desks"));
  events.addEventListener("desk", (event) => show(JSON.parse(event.data)));
  events.addEventListener("trouble", (event) => trouble(JSON.parse(event.data).detail));
  events.addEventListener("gone", leave);
  events.addEventListener("open", () => chip("link", "live", "up"));
  events.addEventListener("error", () => chip("link", "connection lost", "down"));
  if (kept.getItem("connected") === "yes") connect();
}

function leave() {
  events?.close();
  hangUpBrowser();
  microphone?.getTracks().forEach((track) => track.stop());
  microphone = null;
  desk = null;
  session = null;
  kept.removeItem("session");
  kept.removeItem("connected");
  text("agent", "Phone");
  text("campaign", "Who are you?");
  for (const id of ["ready", "pause", "state-for"]) $(id).hidden = true;
  choose();
}

// --- audio --------------------------------------------------------------------------------------

function hangUpBrowser() {
  clearTimeout(again);
  const before = connection;
  connection = null;
  before?.close();
}

async function openMicrophone() {
  if (microphone?.getAudioTracks()[0]?.readyState === "live") return;
  chip("mic", "asking …", "wait");
  microphone = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  });
  chip("mic", "allowed", "up");
  microphone.getAudioTracks()[0].addEventListener("ended", () => chip("mic", "gone", "down"));
  sound ??= new AudioContext();
  meter(microphone, sound);
}

function meter(stream, context) {
  const ear = context.createAnalyser();
  const wave = new Float32Array(ear.fftSize);
  context.createMediaStreamSource(stream).connect(ear);
  const timer = setInterval(() => {
    if (stream !== microphone) return clearInterval(timer);
    ear.getFloatTimeDomainData(wave);
    const level = Math.sqrt(wave.reduce((sum, v) => sum + v * v, 0) / wave.length);
    $("level").value = Math.min(1, 4 * level);
  }, 100);
}

async function connect() {
  if (isConnecting) return;
  isConnecting = true;
  const id = session;
  try {
    hangUpBrowser();
    chip("connection", "connecting …", "wait");
    await openMicrophone();
    await sound.resume();
    if (desk?.state === "connecting" && kept.getItem("connected") !== "yes") {
      // Calls come when the agent says so, not the moment the audio works.
      await post("pause");
    }
    const pc = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    connection = pc;
    pc.addEventListener("connectionstatechange", () => onState(pc));
    pc.addEventListener("track", (event) => onTrack(pc, event.streams[0] ?? new MediaStream([event.track])));
    pc.addTrack(microphone.getAudioTracks()[0], microphone);
    await pc.setLocalDescription(await pc.createOffer());
    await gathered(pc);
    const told = await post("offer", { offer: pc.localDescription.sdp, window: mine });
    if (session !== id || connection !== pc) return pc.close();
    await pc.setRemoteDescription({ type: "answer", sdp: told.answer });
    kept.setItem("connected", "yes");
    trouble(null);
  } catch (error) {
    hangUpBrowser();
    const isDenied = error.name === "NotAllowedError" || error.name === "NotFoundError";
    if (isDenied) chip("mic", error.name === "NotFoundError" ? "none found" : "not allowed", "down");
    chip("connection", "not connected", "down");
    trouble(isDenied
      ? "The microphone cannot be used: allow it for this page in the browser, then connect again."
      : `Connecting failed: ${error.message}`);
    if (!isDenied && kept.getItem("connected") === "yes") comeAgain();
  } finally {
    isConnecting = false;
    buttons();
  }
}

function gathered(pc) {
  if (pc.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((done) => {
    const timer = setTimeout(done, 2000);
    pc.addEventListener("icegatheringstatechange", () => {
      if (pc.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      done();
    });
  });
}

function onState(pc) {
  if (pc !== connection) return;
  const state = pc.connectionState;
  if (state === "connected") {
    tries = 0;
    clearTimeout(again);
    chip("connection", "connected", "up");
  } else if (state === "failed" || state === "closed") {
    chip("connection", "lost", "down");
    comeAgain();
  } else if (state === "disconnected") {
    chip("connection", "interrupted", "wait");
    comeAgain(LOST_MS);
  }
  buttons();
}

function comeAgain(wait) {
  clearTimeout(again);
  if (kept.getItem("connected") !== "yes" || isElsewhere()) return;
  const ms = wait ?? AGAIN_MS[Math.min(tries, AGAIN_MS.length - 1)];
  tries += 1;
  again = setTimeout(connect, ms);
}

const isElsewhere = () => desk !== null && desk.window !== null && desk.window !== mine;

function onTrack(pc, stream) {
  $("ear").srcObject = stream;
  $("ear").play().catch(() => trouble("The browser plays no sound yet: click anywhere on this page."));
  listenForTone(pc, stream);
}

/** The engine lays a short tone over whatever is heard, each time a browser comes. */
function listenForTone(pc, stream) {
  chip("line", "listening …", "wait");
  const ear = sound.createAnalyser();
  ear.fftSize = 4096;
  ear.smoothingTimeConstant = 0;
  sound.createMediaStreamSource(stream).connect(ear);
  window.phoneEar = ear; // For whoever tests this page: what the agent hears.
  const bins = new Float32Array(ear.frequencyBinCount);
  const until = performance.now() + TONE_MS;
  const timer = setInterval(() => {
    if (pc !== connection) return clearInterval(timer);
    ear.getFloatFrequencyData(bins);
    const loudest = bins.indexOf(Math.max(...bins));
    const hertz = (loudest * sound.sampleRate) / ear.fftSize;
    if (bins[loudest] > -60 && hertz >= TONE_HZ[0] && hertz <= TONE_HZ[1]) {
      chip("line", "tone heard", "up");
      clearInterval(timer);
    } else if (performance.now() > until) {
      chip("line", "no tone heard", "down");
      clearInterval(timer);
    }
  }, 40);
}

// --- the desk -----------------------------------------------------------------------------------

function show(now) {
  const before = desk;
  desk = now;
  deskAt = performance.now();
  text("agent", now.agent);
  text("campaign", now.campaign);
  text("caller-id", `calls as ${now.caller_id}`);
  document.title = now.person ? `${now.person.name || now.person.number} – Fairdial` : `${now.agent} – Fairdial`;
  chip("state", word(now.state), now.state);
  $("state-for").hidden = false;
  const isOn = TALK_KEYS.includes(now.state);
  document.querySelector(".person").classList.toggle("is-on", isOn);
  text("person-state", !now.person ? "Nobody on the line"
    : now.transfer ? `Transfer to ${word(now.transfer)}`
    : now.state === "reserved" ? "Connecting …"
    : now.is_held ? "On hold" : isOn ? "On the line" : "The call has ended");
  $("person-name").firstElementChild.textContent = now.person ? now.person.name || "Unknown caller" : "–";
  text("person-number", now.person?.number ?? "");
  text("script", now.script);
  text("notice", now.recording === "paused" ? "Recording paused: silence is on the tape." : now.notice);
  $("notice").dataset.is = now.recording;
  $("notice").hidden = now.recording === "off" || !isOn;
  if (isOn && now.person && now.person.name !== before?.person?.name) {
    text("said", `On the line: ${now.person.name}`);
  }
  dispositions(now.dispositions);
  transfers(now);
  if (isElsewhere() && connection !== null) {
    kept.setItem("connected", "no");
    hangUpBrowser();
    chip("connection", "in another window", "wait");
    trouble("Another window is this agent's phone. Connect here to take it over.");
  }
  buttons();
  tick();
}

function buttons() {
  const state = desk?.state;
  const isTalking = state === "talking";
  const isUp = connection?.connectionState === "connected";
  $("connect").hidden = isUp;
  $("connect").disabled = isConnecting;
  $("test").hidden = !isUp;
  $("test").disabled = TALK_KEYS.includes(state);
  $("change").disabled = TALK_KEYS.includes(state);
  $("ready").hidden = state !== "paused";
  $("pause").hidden = !state || state === "paused" || state === "logged_out";
  $("pause").disabled = desk?.pause_asked ?? false;
  text("pause-words", desk?.pause_asked ? "Pause comes" : "Pause");
  for (const id of ["mute", "hold", "hang-up"]) $(id).disabled = !isTalking;
  toggle("mute", desk?.is_muted, "Mute", "Unmute");
  toggle("hold", desk?.is_held, "Hold", "Take back");
  $("leave-message").hidden = !desk?.may_leave_message;
  $("leave-message").disabled = !isTalking;
  $("record").hidden = !desk?.records;
  $("record").disabled = !isTalking || (desk.recording === "off" && desk.records === "all");
  $("record").setAttribute("aria-pressed", String(desk?.recording === "on"));
  text("record-words", { on: "Pause recording", paused: "Resume recording" }[desk?.recording] ?? "Record");
  for (const key of $("keys").children) key.disabled = !isTalking;
  for (const button of $("transfers").querySelectorAll("button")) button.disabled = !isTalking;
  for (const button of $("dispositions").children) {
    button.disabled = !(state === "wrap_up" || (isTalking && button.dataset.word === "stop_calling"));
  }
}

function toggle(id, isOn, off, on) {
  $(id).setAttribute("aria-pressed", String(Boolean(isOn)));
  text(`${id}-words`, isOn ? on : off);
}

function tick() {
  if (desk === null) return;
  const gone = (performance.now() - deskAt) / 1000;
  const s = Math.floor(desk.state_s + gone);
  text("state-for", `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`);
  const left = desk.wrap_up_left_s;
  text("wrap", left === null || desk.state !== "wrap_up" ? ""
    : `Wrap-up ends by itself in ${Math.max(0, Math.ceil(left - gone))} s.`);
}

function button(words, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = words;
  made.addEventListener("click", act);
  return made;
}

function dispositions(names) {
  const key = names.join(" ");
  if ($("dispositions").dataset.key === key) return;
  $("dispositions").dataset.key = key;
  $("dispositions").replaceChildren(...names.map((name) => {
    const made = button(word(name), () => record(name));
    made.dataset.word = name;
    return made;
  }));
}

/** A wish not to be called again is in force at once, also in the middle of a talk. */
const record = (name) => (name === "stop_calling" && desk.state !== "wrap_up"
  ? ask("stop-calling") : ask("dispose", { disposition: name }));

function transfers(now) {
  $("transfer-fold").hidden = now.destinations.length === 0 && now.transfer === null;
  const key = `${now.destinations.join("|")} ${now.transfer}`;
  if ($("transfers").dataset.key === key) return;
  $("transfers").dataset.key = key;
  const made = [];
  if (now.transfer === null) {
    for (const to of now.destinations) {
      const row = document.createElement("div");
      row.className = "row";
      row.append(
        button(`Pass on to ${to}`, () => ask("transfer", { to, kind: "blind" })),
        button(`Ask ${to} first`, () => ask("transfer", { to, kind: "attended" })),
      );
      made.push(row);
    }
  } else {
    const row = document.createElement("div");
    row.className = "row";
    row.append(
      button("Pass on", () => ask("complete")),
      button("All together", () => ask("conference")),
      button("Take back", () => ask("take-back")),
    );
    made.push(row);
  }
  $("transfers").replaceChildren(...made);
}

// --- hands --------------------------------------------------------------------------------------

$("connect").addEventListener("click", () => {
  kept.setItem("connected", kept.getItem("connected") === "yes" ? "yes" : "asked");
  connect();
});
$("test").addEventListener("click", connect);
$("change").addEventListener("click", leave);
$("ready").addEventListener("click", () => ask("ready"));
$("pause").addEventListener("click", () => ask("pause"));
$("mute").addEventListener("click", () => ask(desk.is_muted ? "unmute" : "mute"));
$("hold").addEventListener("click", () => ask(desk.is_held ? "unhold" : "hold"));
$("record").addEventListener("click", () =>
  ask({ on: "pause-recording", paused: "resume-recording" }[desk.recording] ?? "record"));
$("leave-message").addEventListener("click", () => ask("leave-message"));
$("hang-up").addEventListener("click", () => ask("hang-up"));
$("keys").replaceChildren(...[..."123456789*0#"].map((key) => button(key, () => ask("digits", { digits: key }))));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  const found = { r: "ready", p: "pause", m: "mute", h: "hold", c: "record", v: "leave-message", x: "hang-up" }[event.key.toLowerCase()];
  if (found && !$(found).hidden && !$(found).disabled) {
    $(found).click();
  } else if ($("keypad").open && /^[0-9*#]$/.test(event.key) && desk?.state === "talking") {
    ask("digits", { digits: event.key });
  }
});
document.addEventListener("click", () => $("ear").srcObject && $("ear").play().catch(() => {}));
setInterval(tick, 500);
choose();
