// Who is signed in: the master knows. Keeps the short-lived cookie fresh that every server believes.

const bar = document.getElementById("who");
const main = bar.dataset.main;
// The cookie is good for a minute.
const EVERY_MS = 30_000;

function link(href, text) {
  const a = document.createElement("a");
  a.href = href;
  a.textContent = text;
  return a;
}

function show({ name, artists }) {
  const parts = [];
  if (name) {
    const who = document.createElement("span");
    who.textContent = name;
    parts.push(who);
    if (artists.includes(bar.dataset.artist)) parts.push(link(`${main}/workshop/${bar.dataset.artist}`, "Workshop"));
  } else {
    parts.push(link(`${main}/sign-in?next=${encodeURIComponent(`/a/${bar.dataset.artist}`)}`, "Sign in"));
  }
  bar.replaceChildren(...parts);
}

let timer = null;
async function ask() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    const response = await fetch(`${main}/visitor`, { credentials: "include", cache: "no-store" });
    if (response.ok) show(await response.json());
  } catch {
    // The master is away: the page goes on without it.
  }
  timer = setTimeout(ask, EVERY_MS);
}

document.addEventListener("visibilitychange", ask);
ask();
