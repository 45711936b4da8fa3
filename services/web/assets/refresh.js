// Pages that are simply read anew when something changed, or now and then; never while hidden.

import { localise } from "./times.js";

const EVENTS_PAUSE_MS = 1000;
const TIMER_MS = 5000;
// Of a server that falls silent no event tells.
const SILENCE_MS = 10_000;
const box = document.getElementById("refresh");
const { on, batch, job } = box.dataset;
let source = null;
let due = false;
let loading = false;
// What was read last: what is the same is not announced again.
let shown = "";

// What is under a hand stays as it is.
const busy = () => document.hidden || box.querySelector(":focus, .do:hover, .pick :checked") !== null;

async function reload() {
  if (!due || loading || busy()) return;
  due = false;
  loading = true;
  try {
    const answer = await fetch(location.href, { headers: { "x-refresh": "1" } });
    if (answer.ok && !answer.redirected) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("refresh");
      // Somebody may have begun to tick meanwhile.
      if (busy()) due = true;
      else if (fresh && fresh.innerHTML !== shown) {
        shown = fresh.innerHTML;
        // What somebody has opened stays open.
        for (const { id } of box.querySelectorAll("details[open][id]")) {
          fresh.querySelector(`#${id}`)?.setAttribute("open", "");
        }
        box.replaceChildren(...fresh.childNodes);
        localise(box);
      }
    }
  } catch {
    due = true;
  } finally {
    loading = false;
  }
}

function open() {
  if (on !== "events" || source) return;
  const query = batch ? `?batch_id=${batch}` : "";
  source = new EventSource(`/api/v1/events${query}`);
  source.addEventListener("change", (e) => {
    due ||= !job || JSON.parse(e.data).jobs.some((j) => j.id === job);
  });
  source.addEventListener("resync", () => (due = true));
}

function close() {
  source?.close();
  source = null;
}

setInterval(() => (due = true), on === "timer" ? TIMER_MS : SILENCE_MS);
setInterval(reload, EVENTS_PAUSE_MS);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return close();
  due = true;
  open();
});
window.addEventListener("pagehide", close);
open();
