// Move Artists: a live filter, a selection that survives it, and what servers would become.

import { bytes, count } from "./format.js";
import { Selection } from "./selection.js";

const DEBOUNCE_MS = 150;
// Names of one reason; the rest is counted.
const SHOWN_NAMES = 30;
const $ = (id) => document.getElementById(id);
const [filterForm, moveForm, box] = [$("filter-form"), $("move-form"), $("artists")];
const selection = new Selection();
let lastTicked = null;

const rowOf = (tr) => ({
  name: tr.dataset.name,
  server: tr.dataset.server,
  plays: Number(tr.dataset.plays),
  plays30: Number(tr.dataset.plays30),
  bytes: Number(tr.dataset.bytes),
});
const rows = () => [...box.querySelectorAll("tbody tr")];
const tickOf = (tr) => tr.querySelector("input[type=checkbox]");

// ---- The list

let loading = null;

async function load(query, push) {
  loading?.abort();
  const mine = (loading = new AbortController());
  box.classList.add("loading");
  try {
    const answer = await fetch(`/move${query}`, {
      headers: { "x-fragment": "artists" }, signal: mine.signal,
    });
    if (answer.redirected || !answer.ok) return location.assign(`/move${query}`);
    box.innerHTML = await answer.text();
    if (push) history.pushState(null, "", `/move${query}`);
    else history.replaceState(null, "", `/move${query}`);
    lastTicked = null;
    show();
  } catch (error) {
    if (error.name !== "AbortError") complain("The list could not be loaded. Is the connection there?");
  } finally {
    if (loading === mine) box.classList.remove("loading");
  }
}

function filterQuery() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(filterForm)) {
    if (value && !(name === "sort" && value === "name")) query.append(name, value);
  }
  return query.size ? `?${query}` : "";
}

let timer = 0;
const filterSoon = (wait) => {
  clearTimeout(timer);
  timer = setTimeout(() => load(filterQuery(), false), wait);
};
filterForm.addEventListener("input", (e) => filterSoon(e.target.name === "filter" ? DEBOUNCE_MS : 0));
filterForm.addEventListener("submit", (e) => {
  e.preventDefault();
  filterSoon(0);
});
window.addEventListener("popstate", () => {
  const query = new URLSearchParams(location.search);
  for (const name of ["filter", "server_id", "sort"]) {
    filterForm.elements[name].value = query.get(name) ?? (name === "sort" ? "name" : "");
  }
  load(location.search, false);
});
box.addEventListener("click", (e) => {
  const link = e.target.closest("a[data-page], a[data-clear]");
  if (!link || e.ctrlKey || e.metaKey || e.shiftKey) return;
  e.preventDefault();
  if (link.dataset.clear !== undefined) {
    filterForm.elements.filter.value = "";
    filterForm.elements.server_id.value = "";
    filterSoon(0);
  } else {
    load(new URL(link.href).search, true).then(() => box.scrollIntoView({ block: "nearest" }));
  }
});

// ---- Choosing

function choose(some, chosen) {
  const taken = some.map((tr) => selection.set(tr.dataset.id, rowOf(tr), chosen));
  complain(taken.every(Boolean) ? "" : "All that match another filter are chosen. Clear that choice first.");
}

box.addEventListener("click", (e) => {
  if (e.target.name !== "artist_id") return;
  const tr = e.target.closest("tr");
  const all = rows();
  const to = all.indexOf(tr);
  const from = e.shiftKey && lastTicked !== null ? all.indexOf(lastTicked) : to;
  const range = all.slice(Math.min(from, to), Math.max(from, to) + 1);
  choose(from < 0 ? [tr] : range, e.target.checked);
  lastTicked = tr;
  show();
});

box.addEventListener("change", async (e) => {
  if (e.target.id === "page-all") {
    choose(rows(), e.target.checked);
    show();
  } else if (e.target.id === "all") {
    if (e.target.checked) await chooseAll();
    else selection.clear();
    show();
  }
});

async function chooseAll() {
  const { filter, server } = box.querySelector(".list-head").dataset;
  const query = new URLSearchParams();
  if (filter) query.set("filter", filter);
  if (server) query.set("server_id", server);
  const answer = await fetch(`/api/v1/artists/totals?${query}`);
  if (!answer.ok) return complain("The artists could not be added up. Try again.");
  const { items } = await answer.json();
  selection.chooseAll(filter, server, items.map((t) => ({
    server: t.server_id, artists: t.artists, plays: t.plays_total, plays30: t.plays_30d, bytes: t.bytes,
  })));
}

// ---- Showing

function show() {
  for (const tr of rows()) {
    const chosen = selection.has(tr.dataset.id, rowOf(tr));
    tickOf(tr).checked = chosen;
    tr.classList.toggle("chosen", chosen);
  }
  const pageAll = $("page-all");
  if (pageAll) {
    const ticked = rows().filter((tr) => tickOf(tr).checked).length;
    pageAll.hidden = false;
    pageAll.checked = ticked > 0 && ticked === rows().length;
    pageAll.indeterminate = ticked > 0 && ticked < rows().length;
  }
  const head = box.querySelector(".list-head")?.dataset;
  if ($("all")) $("all").checked = selection.isAllOf(head.filter, head.server);
  showSummary();
  showServers();
}

function showSummary() {
  const { artists, bytes: size, plays } = selection.total();
  const summary = $("summary");
  summary.replaceChildren();
  if (artists === 0) {
    summary.textContent = "No artist chosen yet.";
    summary.className = "quiet";
    return;
  }
  summary.className = "";
  const strong = document.createElement("strong");
  strong.textContent = `${count(artists)} ${artists === 1 ? "artist" : "artists"} chosen`;
  const clear = document.createElement("button");
  clear.type = "button";
  clear.className = "link";
  clear.textContent = "Clear";
  clear.addEventListener("click", () => {
    selection.clear();
    show();
  });
  summary.append(strong, ` · ${bytes(size)} · ${count(plays)} plays `, clear);
}

function showServers() {
  const sums = selection.perServer();
  const total = selection.total();
  const chosen = moveForm.elements.target_server_id?.value;
  for (const card of document.querySelectorAll(".server")) {
    const here = sums.get(card.dataset.id) ?? { artists: 0, plays: 0, plays30: 0, bytes: 0 };
    // With a server chosen, the others show what they lose; without, each what it would gain.
    const gains = chosen ? card.dataset.id === chosen : true;
    const change = (k) => (gains ? total[k] - here[k] : -here[k]);
    const then = (k, now, text, delta) => {
      const [em, plain] = [card.querySelector(`em[data-then=${k}]`), Number(now)];
      em.hidden = now === undefined || delta === 0;
      em.textContent = text(plain + delta);
      em.classList.toggle("bad", k === "free" && plain + delta < 0);
    };
    const d = card.dataset;
    const open = gains && card.classList.contains("closed") ? () => 0 : change;
    then("plays", d.plays, count, open("plays"));
    then("plays30", d.plays30, count, open("plays30"));
    then("artists", d.artists, count, open("artists"));
    then("free", d.free, bytes, gains ? -open("bytes") : 0);
  }
}
moveForm.addEventListener("change", (e) => {
  if (e.target.name === "target_server_id") showServers();
});

// ---- Moving

function complain(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
  if (text) $("message").scrollIntoView({ block: "nearest" });
}

async function post(body, key) {
  const headers = { "content-type": "application/json" };
  if (key) headers["idempotency-key"] = key;
  const answer = await fetch("/api/v1/moves", { method: "POST", headers, body: JSON.stringify(body) });
  const result = await answer.json();
  if (!answer.ok) throw new Error([result.detail, result.remedy].filter(Boolean).join(" "));
  return result;
}

// `crypto.randomUUID` exists only where the page came over TLS or from this machine.
function freshKey() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return [...random].map((b) => b.toString(16).padStart(2, "0")).join("");
}

const make = (tag, text) => {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
};

// One reason: how many, what to do, and who, as far as that can be read.
function reasonItem(reason, refused) {
  const who = refused.filter((r) => r.reason === reason.reason);
  const names = who.slice(0, SHOWN_NAMES).map((r) => r.name ?? r.artist_id).join(", ");
  const more = who.length > SHOWN_NAMES ? ` and ${count(who.length - SHOWN_NAMES)} more` : "";
  const li = document.createElement("li");
  li.append(make("strong", `${reason.summary}.`));
  if (reason.reason !== "already_there") li.append(` ${reason.detail}`);
  const small = make("small", `${names}${more}`);
  small.className = "quiet";
  li.append(small);
  return li;
}

async function confirmRefusals(result) {
  const dialog = $("refusals");
  const [go, n] = [result.accepted, result.refused.length];
  // Those who are there already are no trouble.
  const calm = result.refused_reasons.every((r) => r.reason === "already_there");
  const artists = (k) => `${count(k)} ${k === 1 ? "artist" : "artists"}`;
  $("refusals-title").textContent = calm
    ? (go ? `Move ${artists(go)}?` : "They all live there already")
    : `${artists(n)} cannot move`;
  $("refusals-text").textContent = go
    ? (calm ? "" : `The other ${count(go)} can.`)
    : (calm ? "There is nothing to move." : "Nobody of your choice can move there.");
  $("refusals-list").replaceChildren(...result.refused_reasons.map((r) => reasonItem(r, result.refused)));
  $("refusals-go").hidden = go === 0;
  $("refusals-go").textContent = `Move ${artists(go)}`;
  dialog.returnValue = "back";
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  return dialog.returnValue === "go";
}

moveForm.addEventListener("submit", async (e) => {
  e.preventDefault();
  complain("");
  if (selection.total().artists === 0) return complain("Choose at least one artist first.");
  const button = moveForm.querySelector("button.primary");
  button.disabled = true;
  try {
    const body = {
      ...selection.request(),
      target_server_id: moveForm.elements.target_server_id.value,
      reason: moveForm.elements.reason.value,
      priority: moveForm.elements.express.checked ? "express" : "normal",
    };
    const tried = await post({ ...body, dry_run: true });
    if (tried.refused.length > 0 && !(await confirmRefusals(tried))) return;
    const result = await post(body, freshKey());
    if (result.batch_id) location.assign(`/batches/${result.batch_id}`);
    else await confirmRefusals(result);
  } catch (error) {
    complain(error.message || "The request failed. Is the connection there?");
  } finally {
    button.disabled = false;
  }
});

// The browser may have kept ticks of an earlier visit.
for (const tr of rows()) {
  if (tickOf(tr).checked) selection.set(tr.dataset.id, rowOf(tr), true);
}
show();
