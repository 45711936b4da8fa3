// A batch, live: one event stream while the page is seen, none while it is hidden.

import { bytes, count, duration, fullStop, message, path, percent, span } from "./format.js";
import { localise } from "./times.js";

const RELOAD_LIST_MS = 1000;
// Of a server that falls silent no job tells: the list is read now and then even so.
const SILENCE_MS = 10_000;
// Rows stay where they are while a pointer moves over them, and this long after.
const HAND_MS = 1500;
// Lines of a section, until it is read anew.
const LINES_MAX = 50;
const root = document.getElementById("batch");
const head = document.getElementById("head");
const box = document.getElementById("jobs");
const live = document.getElementById("live");
let position = root.dataset.position;
let finished = root.dataset.finished === "true";
let source = null;

const phases = {
  queued: "Waiting", running: "At work", copying: "Copying", syncing: "Final sync", cutover: "Switching over",
  retiring: "Tidying up", rolling_back: "Undoing", succeeded: root.dataset.done, failed: "Failed",
  cancelled: "Cancelled", stuck: "Stuck",
};
const groupOf = {
  queued: "waiting", running: "running", copying: "running", syncing: "running", cutover: "running",
  retiring: "running", rolling_back: "running", succeeded: "moved", failed: "failed",
  stuck: "failed", cancelled: "cancelled",
};
const text = (name, value) => {
  head.querySelector(`.progress-card [data-text=${name}]`).textContent = value;
};

function showBatch(b) {
  if ((b.state === "finished") !== finished) {
    finished = !finished;
    showHead().catch(() => (due = true));
  }
  const part = (n, word) => (n > 0 ? `, ${count(n)} ${word}` : "");
  const others = part(b.jobs_failed, "failed") + part(b.jobs_cancelled, "cancelled");
  text("moved", b.jobs_succeeded);
  text("total", b.jobs_total);
  text("others", others);
  text("bytes", finished ? bytes(b.bytes_done)
    : `${bytes(b.bytes_done)} of ${bytes(b.bytes_total)} · ${percent(b.bytes_done, b.bytes_total)} %`);
  text("rate", b.rate_bytes_s === null ? "–" : `${bytes(b.rate_bytes_s)}/s`);
  const paused = b.state === "paused";
  text("eta", paused && b.jobs_running === 0 ? "paused" : b.eta_high_s !== null ? span(b.eta_low_s, b.eta_high_s)
    : b.jobs_running === 0 ? "waiting to begin" : "estimating…");
  if (finished && b.started_at) {
    text("took", duration(Math.max(0, Math.floor((new Date(b.finished_at) - new Date(b.started_at)) / 1000))));
  }
  showBar(b, others);
  const groups = {
    all: b.jobs_total, running: b.jobs_running, waiting: b.jobs_queued,
    moved: b.jobs_succeeded, failed: b.jobs_failed, cancelled: b.jobs_cancelled,
  };
  for (const chip of box.querySelectorAll("[data-group]")) {
    chip.querySelector("b").textContent = groups[chip.dataset.group];
  }
  for (const section of box.querySelectorAll("[data-section]")) {
    const n = section.querySelector("[data-count]");
    if (n) n.textContent = groups[section.dataset.section];
    const more = section.querySelector("[data-more]");
    if (more) more.textContent = `Show all ${groups[section.dataset.section]}`;
  }
  const [failed, cancelled] = [b.jobs_failed > 0, b.jobs_cancelled > 0];
  const shown = {
    open: !finished, running: !finished && !paused, paused, finished, failed, cancelled: cancelled && !failed, both: cancelled && failed,
  };
  const by = head.querySelector("[data-text=paused-by]");
  if (by) by.textContent = b.paused_by ?? "";
  for (const part of head.querySelectorAll("[data-show]")) part.hidden = !shown[part.dataset.show];
}

// Shares in percent: moved and moving from the left, failed and cancelled from the right.
function showBar(b, others) {
  const share = (n) => (n * 100) / Math.max(1, b.jobs_total);
  const open = b.bytes_total - b.bytes_moved;
  const here = open > 0 ? Math.max(0, b.bytes_done - b.bytes_moved) / open : 0;
  const [moved, failed, cancelled] = [b.jobs_succeeded, b.jobs_failed, b.jobs_cancelled].map(share);
  const moving = share(b.jobs_queued + b.jobs_running) * Math.min(1, here);
  const bar = head.querySelector("[data-bar]");
  const put = (name, x, width) => {
    const rect = bar.querySelector(`[data-part=${name}]`);
    rect.setAttribute("x", `${x}%`);
    rect.setAttribute("width", `${width}%`);
  };
  put("moved", 0, moved);
  put("moving", moved, moving);
  put("failed", 100 - failed - cancelled, failed);
  put("cancelled", 100 - cancelled, cancelled);
  bar.setAttribute("aria-label", `${b.jobs_succeeded} of ${b.jobs_total} ${root.dataset.what}${others}`);
}

const fragment = async (name) => {
  const answer = await fetch(location.pathname + location.search, {
    headers: { "x-fragment": name, "x-refresh": "1" },
  });
  return answer.ok && !answer.redirected ? answer.text() : null;
};

// The heading, which says how it ended, or that it goes on.
async function showHead() {
  const html = await fragment("head");
  if (html === null) return;
  head.innerHTML = html;
  localise(head);
  document.title = `${head.querySelector("h1").textContent} · Tourbus`;
}

function showJob(j) {
  const li = box.querySelector(`[data-job="${j.id}"]`);
  if (!li) return;
  const done = j.state === "succeeded" ? j.bytes_total : j.bytes_done;
  li.dataset.state = j.state;
  li.querySelector("[data-text=phase]").textContent =
    j.paused ? "Paused"
      : j.state === "rolling_back" && j.cancel_requested ? "Cancelling" : phases[j.state];
  li.querySelector("progress").value = j.state === "succeeded" ? 100 : percent(done, j.bytes_total);
  li.querySelector("[data-text=bytes]").textContent = ["queued", "succeeded"].includes(j.state)
    ? bytes(j.bytes_total) : `${bytes(done)} of ${bytes(j.bytes_total)}`;
  const can = {
    express: j.state === "queued" && (j.paused || (!j.express && (j.kind === "move" || j.bulk))),
    cancel: ["queued", "running", "copying", "syncing", "cutover"].includes(j.state),
    retry: j.retryable,
  };
  for (const form of li.querySelectorAll("[data-do]")) form.hidden = !can[form.dataset.do];
  showFailure(li.querySelector(".failure"), j);
  place(li, groupOf[j.state]);
}

function showFailure(p, j) {
  p.hidden = !j.error || j.state === "succeeded";
  if (p.hidden) return;
  const parts = [j.finished_at ? "" : "Last hitch: ", message(j.error.message)];
  if (j.error.path) {
    const code = document.createElement("code");
    code.textContent = path(j.error.path);
    parts.push(": ", code);
  }
  parts.push(".");
  if (j.error.remedy) {
    const remedy = document.createElement("span");
    remedy.textContent = fullStop(j.error.remedy);
    parts.push(" ", remedy);
  }
  p.replaceChildren(...parts);
}

// ---- The list's order: what moves on top. Never under a hand or a focus.

let due = false;
let loading = false;
let handAt = -HAND_MS;
box.addEventListener("pointermove", () => (handAt = performance.now()));
const busy = () => box.querySelector(":focus, .do:hover") !== null
  || (box.matches(":hover") && performance.now() - handAt < HAND_MS);

// Into the section of its group; what is not there yet comes with the next reading.
function place(li, group) {
  const from = li.closest("[data-section]");
  if (!from.dataset.section || from.dataset.section === group || busy()) return;
  const to = box.querySelector(`[data-section=${group}] .jobs`);
  if (!to) return;
  if (group === "running") to.append(li);
  else to.prepend(li);
  // Between two readings many may come: the list stays as short as it was made.
  while (to.children.length > LINES_MAX) to.lastElementChild.remove();
  from.hidden = from.querySelector("li") === null;
}

// What a person reads stays where it is on the screen, whatever comes above it.
function keepPlace(change) {
  const rows = () => [...box.querySelectorAll("[data-job]")];
  const seen = rows().find((li) => li.getBoundingClientRect().top >= 0);
  const first = box.getBoundingClientRect().top >= 0 ? null : seen;
  const [id, before] = [first?.dataset.job, first?.getBoundingClientRect().top];
  change();
  const after = id && rows().find((li) => li.dataset.job === id);
  if (after) window.scrollBy(0, after.getBoundingClientRect().top - before);
}

async function reloadList() {
  if (!due || loading || document.hidden || busy()) return;
  due = false;
  loading = true;
  try {
    const html = await fragment("jobs");
    if (html !== null && busy()) due = true;
    else if (html !== null) {
      keepPlace(() => (box.innerHTML = html));
      localise(box);
    }
  } catch {
    due = true;
  } finally {
    loading = false;
  }
}
setInterval(reloadList, RELOAD_LIST_MS);
setInterval(() => (due ||= !finished), SILENCE_MS);

// ---- The stream

async function readAnew() {
  const answer = await fetch(`/api/v1/batches/${root.dataset.id}`);
  if (answer.ok) showBatch(await answer.json());
  due = true;
}

function open() {
  if (source) return;
  const query = new URLSearchParams({ batch_id: root.dataset.id, after: position });
  source = new EventSource(`/api/v1/events?${query}`);
  source.addEventListener("change", (e) => {
    position = e.lastEventId;
    const { batch, jobs } = JSON.parse(e.data);
    showBatch(batch);
    jobs.forEach(showJob);
    due ||= jobs.length > 0;
  });
  source.addEventListener("resync", (e) => {
    position = e.lastEventId;
    readAnew().catch(() => (due = true));
  });
  source.onopen = () => (live.hidden = true);
  source.onerror = () => {
    live.textContent = "The live view is interrupted; trying to connect again…";
    live.hidden = false;
    // Refused for good (signed out, restarted): the page itself knows better.
    if (source.readyState === EventSource.CLOSED) {
      close();
      setTimeout(() => !document.hidden && open(), 3000);
    }
  };
}

function close() {
  source?.close();
  source = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
window.addEventListener("pagehide", close);
window.addEventListener("pageshow", () => document.hidden || open());
if (!document.hidden) open();
