// The artist's workshop: shows what the home server has, and sends it what changes.

import { bytes } from "./format.js";
import { HomeServer } from "./home-server.js";
import { Uploads } from "./uploads.js";

const box = document.getElementById("workshop");
const part = (id) => document.getElementById(id);
const home = new HomeServer(box.dataset.artist);
const uploads = new Uploads(home, box.dataset.artist);
let shelf = null;
let base = "";

// What goes on, for as long as it does.
function news(text, bad = false) {
  const line = part("news");
  line.textContent = text;
  line.hidden = text === "";
  line.classList.toggle("bad", bad);
}
home.onWait = (text) => news(text);

function element(tag, props = {}, ...children) {
  const { data, ...rest } = props;
  const made = Object.assign(document.createElement(tag), rest);
  Object.assign(made.dataset, data);
  made.append(...children);
  return made;
}

const button = (text, label, act, name = "small") => {
  const made = element("button", { type: "button", className: name, textContent: text });
  made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
};

const time = (ms) => {
  const s = Math.round(ms / 1000);
  return ms ? `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}` : "";
};

// Paths are percent-escaped as the protocol has them; in a URL each part is encoded once more.
const unescaped = (path) => decodeURIComponent(path.replace(/%(?![0-9A-Fa-f]{2})/g, "%25"));
const inUrl = (path) => unescaped(path).split("/").map(encodeURIComponent).join("/");
const mediaUrl = (path) => `${base}/media/${inUrl(path)}`;

async function change(method, path, body) {
  try {
    show(await home.call(method, path, body));
    news("");
    return true;
  } catch (why) {
    news(why.message, true);
    return false;
  }
}

async function load() {
  try {
    const fresh = await home.call("GET", "");
    base = (await home.grant()).workshop_url.replace(/\/workshop$/, "");
    show(fresh);
    part("bench").hidden = false;
    news("");
  } catch (why) {
    news(why.message, true);
  }
}

// What listeners hear of a song: its small version, once it is there.
function lofiNote(song) {
  if (song.lofi_fault) return ["bad", `No small version could be made. ${song.lofi_fault.message}`];
  if (song.awaits_lofi) return ["quiet", "Being prepared: listeners see it in a moment."];
  if (!song.lofi) return null;
  const { bitrate_bps, loudness_lufs } = song.lofi;
  const loud = loudness_lufs === undefined ? "" : `, ${loudness_lufs.toFixed(1)} LUFS`;
  return ["quiet", `Small version: ${bytes(song.lofi_bytes)} at ${Math.round(bitrate_bps / 1000)} kbit/s${loud}`];
}

// Until all are prepared, the page looks again.
const PREPARED_MS = 3000;
let looking = 0;
function lookAgain() {
  clearTimeout(looking);
  if (!shelf.songs.some((s) => s.awaits_lofi && !s.lofi_fault)) return;
  looking = setTimeout(() => (document.hidden ? lookAgain() : home.call("GET", "").then(show).catch(lookAgain)), PREPARED_MS);
}

function songRow(song, n) {
  const title = element("input", { value: song.title, maxLength: 200 });
  title.setAttribute("aria-label", `Title of song ${n + 1}`);
  title.addEventListener("change", async () => {
    if (!title.value.trim() || !(await change("PATCH", `/songs/${song.id}`, { title: title.value }))) title.value = song.title;
  });
  title.addEventListener("keydown", (e) => {
    if (e.key === "Enter") title.blur();
  });
  const up = button("↑", `Move ${song.title} up`, () => reorder(n, n - 1));
  const down = button("↓", `Move ${song.title} down`, () => reorder(n, n + 1));
  up.disabled = n === 0;
  down.disabled = n === shelf.songs.length - 1;
  const remove = button("Delete", `Delete ${song.title}`, () => {
    if (confirm(`Delete “${song.title}” for good?`)) change("DELETE", `/songs/${song.id}`);
  }, "small danger");
  const facts = element("small", { className: "quiet", textContent: [time(song.duration_ms), bytes(song.bytes)].filter(Boolean).join(" · ") });
  const row = element("li", { draggable: true, data: { id: song.id } }, element("span", { className: "grip", textContent: "⠿", ariaHidden: "true" }), title, facts, element("span", { className: "buttons" }, up, down, remove));
  const note = lofiNote(song);
  if (note) row.append(element("small", { className: `lofi ${note[0]}`, textContent: note[1] }));
  // Text in the field can be selected with the mouse; the row is dragged by the rest of it.
  title.addEventListener("focus", () => (row.draggable = false));
  title.addEventListener("blur", () => (row.draggable = true));
  row.addEventListener("dragstart", (e) => {
    e.dataTransfer.setData("text/x-song", String(n));
    e.dataTransfer.effectAllowed = "move";
  });
  row.addEventListener("dragover", (e) => {
    if (e.dataTransfer.types.includes("text/x-song")) e.preventDefault();
  });
  row.addEventListener("drop", (e) => {
    const from = e.dataTransfer.getData("text/x-song");
    if (from === "") return;
    e.preventDefault();
    e.stopPropagation();
    reorder(Number(from), n);
  });
  return row;
}

function reorder(from, to) {
  const ids = shelf.songs.map((s) => s.id);
  if (from === to || to < 0 || to >= ids.length) return;
  ids.splice(to, 0, ...ids.splice(from, 1));
  change("PATCH", "", { songs: ids });
}

function fileRow(file, ...buttons) {
  const link = element("a", { href: mediaUrl(file.path), textContent: file.name });
  return element("li", {}, link, element("small", { className: "quiet", textContent: bytes(file.bytes) }), element("span", { className: "buttons" }, ...buttons));
}

const removal = (file) => button("Delete", `Delete ${file.name}`, () => {
  if (confirm(`Delete “${file.name}” for good?`)) change("DELETE", `/files/${inUrl(file.path)}`);
}, "small danger");

function picture(file) {
  const isCover = shelf.cover === file.path;
  const choose = button(isCover ? "Cover" : "Use as cover", `Use ${file.name} as cover`, () => change("POST", "/cover", { path: isCover ? null : file.path }));
  choose.setAttribute("aria-pressed", String(isCover));
  return element("li", { className: isCover ? "card chosen" : "card" }, element("img", { src: mediaUrl(file.path), alt: file.name, loading: "lazy" }), element("span", { className: "buttons" }, choose, removal(file)));
}

function importRow(file) {
  return element("li", {}, element("span", { textContent: file.name }), element("small", { className: "quiet", textContent: bytes(file.bytes) }), element("span", { className: "buttons" }, button("Import", `Import ${file.name}`, () => importFiles([file.name]))));
}

async function importFiles(names) {
  news("The files are looked at…");
  try {
    const { refused } = await home.call("POST", "/imports", { names });
    await load();
    if (refused.length > 0) news(refused.map((r) => `${r.name}: ${r.detail}`).join(" "), true);
  } catch (why) {
    news(why.message, true);
  }
}

// Titles that are being typed stay; the list follows when the field is left.
let songsWait = false;
const typing = () => part("songs").contains(document.activeElement) && document.activeElement.matches("input");
function showSongs() {
  songsWait = typing();
  if (!songsWait) list("songs", shelf.songs.map(songRow), "no-songs");
}
part("songs").addEventListener("focusout", () => {
  // After what leaving the field has changed was sent.
  setTimeout(() => {
    if (songsWait) showSongs();
  });
});

function list(id, rows, none) {
  part(id).replaceChildren(...rows);
  part(id).hidden = rows.length === 0;
  if (none) part(none).hidden = rows.length > 0;
}

function show(fresh) {
  shelf = fresh;
  showSongs();
  lookAgain();
  list("images", shelf.images.map(picture), "no-images");
  list("vault", shelf.vault.map((f) => fileRow(f, removal(f))), "no-vault");
  list("imports", shelf.imports.map(importRow));
  part("imports-section").hidden = shelf.imports.length === 0;
  const taken = shelf.used_bytes + shelf.coming_bytes;
  part("usage").value = shelf.quota_bytes > 0 ? Math.min(1, taken / shelf.quota_bytes) : 1;
  part("usage-text").textContent = `${bytes(taken)} of ${bytes(shelf.quota_bytes)} are taken`;
  showPending();
  showPage();
}

// The page's form: what was typed stays until it is saved; what was not touched follows the server.

const FIELDS = ["name", "text", "downloads"];
const valueOf = (field) => (field === "downloads" ? part(field).checked : part(field).value);
// What the server had when a field was last filled.
const known = {};

function showPage() {
  for (const field of FIELDS) {
    if (field in known && valueOf(field) !== known[field]) continue;
    known[field] = shelf[field];
    if (field === "downloads") part(field).checked = shelf[field];
    else part(field).value = shelf[field];
    // A text area has its own ends of lines.
    known[field] = valueOf(field);
  }
}

function said(text, bad = false) {
  part("saved").textContent = text;
  part("saved").className = bad ? "bad" : "quiet";
}

async function save() {
  const changed = FIELDS.filter((field) => valueOf(field) !== known[field]);
  if (changed.length === 0) return said("Nothing has changed.");
  const values = Object.fromEntries(changed.map((field) => [field, valueOf(field)]));
  try {
    const fresh = await home.call("PATCH", "", { ...values, revision: shelf.revision });
    for (const field of changed) known[field] = values[field];
    show(fresh);
    return said("Saved.");
  } catch (why) {
    if (why.code !== "changed_meanwhile") return said(why.message, true);
  }
  // Something else is newer. What is typed here counts, unless somebody has changed the very same.
  const before = shelf;
  const fresh = await home.call("GET", "");
  const both = changed.filter((field) => fresh[field] !== before[field] && fresh[field] !== values[field]);
  for (const field of both) known[field] = fresh[field];
  show(fresh);
  if (both.length > 0) return said(`Changed meanwhile in another window or by somebody else: ${both.join(", ")}. What you typed is still here; save again to replace that.`, true);
  return save();
}

const page = part("page");
page.addEventListener("input", () => said(""));
page.addEventListener("submit", (e) => {
  e.preventDefault();
  save().catch((why) => said(why.message, true));
});
part("import-all").addEventListener("click", () => importFiles(shelf.imports.map((f) => f.name)));

// Uploads

// Begun in another window, or before the page was closed.
function showPending() {
  const own = new Set(uploads.ids());
  const pending = shelf.uploads.filter((u) => !own.has(u.id));
  const row = (u) => {
    const text = u.state === "refused" ? u.detail : `${bytes(u.arrived_bytes)} of ${bytes(u.bytes)} are here. Choose the same file again to go on.`;
    const stop = button(u.state === "refused" ? "Dismiss" : "Give up", `Give up ${u.name}`, async () => {
      await uploads.giveUp(u.id);
      await load();
    });
    return element("li", { data: { state: u.state } }, element("span", { className: "file", textContent: u.name }), stop, element("small", { className: u.state === "refused" ? "bad" : "quiet", textContent: text }));
  };
  part("pending").replaceChildren(...pending.map(row));
}

const SONGS = /\.(mp3|wav|flac|ogg|oga|m4a|aac)$/i;
const PICTURES = /\.(jpe?g|png|gif|webp)$/i;
function kindOf(file) {
  if (SONGS.test(file.name) || file.type.startsWith("audio/")) return "song";
  if (PICTURES.test(file.name) || file.type.startsWith("image/")) return "image";
  return "vault";
}

const WORDS = { waiting: "waits", sending: "", looking: "is looked at…", done: "is there", failed: "", "given-up": "given up" };

function uploadRow(upload) {
  const bar = element("progress", { max: upload.file.size || 1, value: 0 });
  bar.setAttribute("aria-label", upload.file.name);
  const state = element("small", { className: "quiet" });
  const stop = button("Cancel", `Cancel ${upload.file.name}`, () => (upload.state === "failed" ? row.remove() : uploads.cancel(upload)), "small");
  const row = element("li", {}, element("span", { className: "file", textContent: upload.file.name }), stop, bar, state);
  upload.show = () => {
    bar.value = upload.sent;
    row.dataset.state = upload.state;
    const far = `${bytes(upload.sent)} of ${bytes(upload.file.size)}`;
    state.textContent = upload.error || [far, WORDS[upload.state]].filter(Boolean).join(" · ");
    state.className = upload.error ? "bad" : "quiet";
    if (upload.state === "failed") stop.textContent = "Dismiss";
    if (upload.state === "done" || upload.state === "given-up") stop.remove();
  };
  upload.show();
  return row;
}

uploads.onChange = (upload) => {
  upload.show?.();
  if (upload.state === "done") load();
};

function take(files) {
  for (const file of files) {
    const upload = uploads.add(file, kindOf(file));
    part("uploads").prepend(uploadRow(upload));
  }
}

part("files").addEventListener("change", (e) => {
  take(e.target.files);
  e.target.value = "";
});
const hasFiles = (e) => e.dataTransfer?.types.includes("Files");
addEventListener("dragover", (e) => {
  if (!hasFiles(e)) return;
  e.preventDefault();
  part("drop").classList.add("over");
});
addEventListener("dragleave", (e) => {
  if (!e.relatedTarget) part("drop").classList.remove("over");
});
addEventListener("drop", (e) => {
  if (!hasFiles(e)) return;
  e.preventDefault();
  part("drop").classList.remove("over");
  take(e.dataTransfer.files);
});
addEventListener("beforeunload", (e) => {
  if (uploads.busy) e.preventDefault();
});

load();
