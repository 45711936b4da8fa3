// A batch, live: one event stream while the page is seen, none while it is hidden.

import { bytes, count, duration, percent, span } from "./format.js";
import { localise } from "./times.js";

const RELOAD_LIST_MS = 2000;
const root = document.getElementById("batch");
const box = document.getElementById("jobs");
const live = document.getElementById("live");
let position = root.dataset.position;
let finished = root.dataset.finished === "true";
let source = null;

const phases = {
  queued: "Waiting", copying: "Copying", syncing: "Final sync", cutover: "Switching over",
  retiring: "Tidying up", rolling_back: "Undoing", succeeded: "Moved", failed: "Failed",
  cancelled: "Cancelled", stuck: "Stuck",
};
const text = (name, value) => {
  root.querySelector(`.progress-card [data-text=${name}]`).textContent = value;
};

function showBatch(b) {
  finished = b.state === "finished";
  const ended = b.jobs_succeeded + b.jobs_failed + b.jobs_cancelled;
  const done = finished ? 100
    : b.bytes_total > 0 ? percent(b.bytes_done, b.bytes_total) : percent(ended, b.jobs_total);
  text("ended", ended);
  text("total", b.jobs_total);
  text("percent", `${done} %`);
  text("bytes", `${bytes(b.bytes_done)} of ${bytes(b.bytes_total)}`);
  text("rate", b.rate_bytes_s === null ? "–" : `${bytes(b.rate_bytes_s)}/s`);
  text("eta", b.eta_high_s !== null ? span(b.eta_low_s, b.eta_high_s)
    : b.jobs_running === 0 ? "waiting to begin" : "estimating…");
  if (finished && b.started_at) {
    text("took", duration(Math.max(0, Math.floor((new Date(b.finished_at) - new Date(b.started_at)) / 1000))));
  }
  root.querySelector(".progress-card progress").value = done;
  const groups = {
    all: b.jobs_total, running: b.jobs_running, waiting: b.jobs_queued,
    moved: b.jobs_succeeded, failed: b.jobs_failed, cancelled: b.jobs_cancelled,
  };
  for (const chip of box.querySelectorAll("[data-group]")) {
    chip.querySelector("b").textContent = groups[chip.dataset.group];
  }
  const shown = { open: !finished, finished, failed: b.jobs_failed > 0 };
  for (const part of root.querySelectorAll("[data-show]")) part.hidden = !shown[part.dataset.show];
}

function showJob(j) {
  const li = box.querySelector(`[data-job="${j.id}"]`);
  if (!li) return;
  const done = j.state === "succeeded" ? j.bytes_total : j.bytes_done;
  li.dataset.state = j.state;
  li.querySelector("[data-text=phase]").textContent =
    j.state === "rolling_back" && j.cancel_requested ? "Cancelling" : phases[j.state];
  li.querySelector("progress").value = j.state === "succeeded" ? 100 : percent(done, j.bytes_total);
  li.querySelector("[data-text=bytes]").textContent = ["queued", "succeeded"].includes(j.state)
    ? bytes(j.bytes_total) : `${bytes(done)} of ${bytes(j.bytes_total)}`;
  const can = {
    express: j.state === "queued" && !j.express,
    cancel: ["queued", "copying", "syncing", "cutover"].includes(j.state),
    retry: ["failed", "cancelled", "stuck"].includes(j.state),
  };
  for (const form of li.querySelectorAll("[data-do]")) form.hidden = !can[form.dataset.do];
  showFailure(li.querySelector(".failure"), j);
}

function showFailure(p, j) {
  p.hidden = !j.error || j.state === "succeeded";
  if (p.hidden) return;
  const parts = [j.finished_at ? "" : "Last hitch: ", j.error.message];
  if (j.error.path) {
    const code = document.createElement("code");
    code.textContent = j.error.path;
    parts.push(": ", code);
  }
  parts.push(".");
  if (j.error.remedy) {
    const remedy = document.createElement("span");
    remedy.textContent = j.error.remedy;
    parts.push(" ", remedy);
  }
  p.replaceChildren(...parts);
}

// ---- The list's order, anew: after a change, but not under a hand or a focus.

let due = false;
let loading = false;

async function reloadList() {
  if (!due || loading || document.hidden || box.querySelector(":focus, .do:hover")) return;
  due = false;
  loading = true;
  try {
    const answer = await fetch(location.pathname + location.search, { headers: { "x-fragment": "jobs" } });
    if (answer.ok && !answer.redirected) {
      box.innerHTML = await answer.text();
      localise(box);
    }
  } catch {
    due = true;
  } finally {
    loading = false;
  }
}
setInterval(reloadList, RELOAD_LIST_MS);

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
