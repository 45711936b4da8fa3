// A server's checks, read anew while the page is looked at; and a button that copies the command.

import { localise } from "./times.js";

const EVERY_MS = 1500;
let loading = false;

async function reload() {
  const box = document.getElementById("checks");
  if (!box || loading || document.hidden) return;
  loading = true;
  try {
    const answer = await fetch(box.dataset.part);
    if (answer.ok && !answer.redirected) {
      const text = await answer.text();
      const part = new DOMParser().parseFromString(text, "text/html").getElementById("checks");
      if (part && part.innerHTML !== box.dataset.seen) {
        const seen = part.innerHTML;
        localise(part);
        part.dataset.seen = seen;
        const focused = box.contains(document.activeElement) && document.activeElement.id;
        box.replaceWith(part);
        if (focused) document.getElementById(focused)?.focus();
      }
    }
  } catch {
    // The master is away for a moment; what is shown stays.
  } finally {
    loading = false;
  }
}

// Try again works without leaving the page, so that a command that is shown only once stays.
document.addEventListener("submit", async (event) => {
  const button = event.target.querySelector("#try-again");
  if (!button) return;
  event.preventDefault();
  try {
    await fetch(event.target.action, { method: "POST" });
  } catch {
    // The checks stay as they are; the button can be pressed again.
  }
  reload();
});

const copy = document.getElementById("copy");
if (copy && navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById("command").textContent);
    copy.textContent = "Copied";
  });
}

setInterval(reload, EVERY_MS);
document.addEventListener("visibilitychange", reload);
