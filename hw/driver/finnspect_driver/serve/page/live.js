"use strict";
// Asks for news once a second; an answer is small, so a slow reader holds nothing on the server.
const PERIOD_MS = 1000;
const KEEP = 24;
const at = (id) => document.getElementById(id);
let token = sessionStorage.getItem("finnspect-token");
let last = 0;
let timer = null;
let lostAt = null;

function text(tag, content, name) {
  const element = document.createElement(tag);
  element.textContent = content;
  if (name) element.className = name;
  return element;
}

function say(message, bad) {
  if (at("state").textContent !== message) at("state").textContent = message;
  at("state").classList.toggle("bad", bad);
}

function showVerdicts(view) {
  const names = [...new Set([...view.classes, ...Object.keys(view.verdicts)])];
  at("verdicts").replaceChildren(...names.map((name) => {
    const count = view.verdicts[name] || 0;
    const share = view.images ? count / view.images : 0;
    const row = document.createElement("tr");
    if (!view.classes.includes(name)) row.className = "rejected";
    const label = text("th", name);
    label.scope = "row";
    const bar = document.createElement("progress");
    bar.max = 1;
    bar.value = share;
    bar.textContent = `${(100 * share).toFixed(1)} %`;
    const cell = text("td", `${(100 * share).toFixed(1)} %`);
    cell.append(bar);
    row.append(label, text("td", count.toLocaleString("en")), cell);
    return row;
  }));
}

function showRecent(entries) {
  for (const entry of entries) {
    const card = document.createElement("li");
    if (entry.rejected) card.className = "rejected";
    const image = document.createElement("img");
    image.src = entry.thumb;
    image.alt = `image ${entry.number}, read as ${entry.label}`;
    const when = new Date(1000 * entry.time).toLocaleTimeString("en-GB");
    card.append(image, text("div", entry.label, "verdict"),
      text("div", `score ${(100 * entry.score).toFixed(1)} %`, "note"), text("div", when, "note"));
    at("recent").prepend(card);
  }
  while (at("recent").children.length > KEEP) at("recent").lastElementChild.remove();
}

function show(view) {
  at("model").textContent = view.model;
  at("about").textContent = Object.entries(view.info).map(([key, value]) => `${key.replace("_", " ")}: ${value}`).join(" · ");
  at("rate").textContent = view.per_second.toFixed(1);
  at("images").textContent = view.images.toLocaleString("en");
  at("time").textContent = view.ms_per_image ? `${view.ms_per_image.p50.toFixed(2)} ms` : "–";
  at("queue").textContent = `${view.queued} of ${view.queue_limit}`;
  at("empty").hidden = view.images > 0;
  at("where").textContent = `${location.origin}/classify`;
  showVerdicts(view);
  showRecent(view.recent);
  last = view.last;
  say(view.ready ? "Live" : "Not ready: the accelerator failed or is stopping, see the service's log", !view.ready);
}

async function look() {
  clearTimeout(timer);
  try {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const answer = await fetch(`/live.json?after=${last}`, { headers, signal: AbortSignal.timeout(5000) });
    if (answer.status === 401) {
      say(token ? "That token was not accepted" : "This service needs a token", true);
      at("door").hidden = false;
      at("main").hidden = true;
      return; // until a token is given
    }
    if (!answer.ok) throw new Error(`answer ${answer.status}`);
    const view = await answer.json();
    if (view.last < last) { // the service was started anew
      last = 0;
      timer = setTimeout(look, 0);
      at("recent").replaceChildren();
      return;
    }
    lostAt = null;
    at("door").hidden = true;
    at("main").hidden = false;
    show(view);
  } catch (error) {
    lostAt = lostAt || new Date().toLocaleTimeString("en-GB");
    say(`No answer since ${lostAt}; what is below may be old`, true);
  }
  timer = setTimeout(look, PERIOD_MS);
}

at("door").addEventListener("submit", (event) => {
  event.preventDefault();
  token = at("token").value.trim();
  sessionStorage.setItem("finnspect-token", token);
  look();
});
look();
