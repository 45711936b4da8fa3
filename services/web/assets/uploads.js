// Uploads by the tus protocol, version 1.0.0: each goes on where it was, on whatever server the
// artist is.

import { Refused, problemOf } from "./home-server.js";

// Sent in one request: leave is checked at its beginning.
const PIECE_BYTES = 32 * 2 ** 20;
const TUS = { "Tus-Resumable": "1.0.0" };
const AT_ONCE = 3;

const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

// fetch tells nothing of how much has been sent.
function patch(url, token, offset, blob, onSent, signal) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("PATCH", url);
    const headers = { ...TUS, Authorization: `Bearer ${token}`, "Upload-Offset": offset, "Content-Type": "application/offset+octet-stream" };
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (e) => onSent(offset + e.loaded));
    request.addEventListener("load", () => {
      if (request.status === 204) return done(Number(request.getResponseHeader("Upload-Offset")));
      let problem = null;
      try {
        problem = JSON.parse(request.responseText);
      } catch {
        // A proxy's page.
      }
      return fail(new Refused(request.status, problem));
    });
    request.addEventListener("error", () => fail(new TypeError("no answer")));
    request.addEventListener("abort", () => fail(signal.reason));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(blob);
  });
}

// What was begun for a file is found again after the page was closed.
const keyOf = (artist, file, kind) => `upload:${artist}:${kind}:${file.name}:${file.size}:${file.lastModified}`;

export class Uploads {
  #home;
  #artist;
  #all = [];
  #beginning = Promise.resolve();
  #waiting = [];
  #running = 0;
  // Called with an upload whenever something about it has changed.
  onChange = () => {};

  constructor(home, artist) {
    this.#home = home;
    this.#artist = artist;
  }

  get busy() {
    return this.#running > 0 || this.#waiting.length > 0;
  }

  add(file, kind) {
    const stop = new AbortController();
    const upload = { file, kind, sent: 0, state: "waiting", error: "", stop };
    this.#all.push(upload);
    this.#waiting.push(upload);
    this.#next();
    return upload;
  }

  // Those of this window.
  ids() {
    return this.#all.map((u) => u.id).filter(Boolean);
  }

  async giveUp(id) {
    await this.#home.persist(async ({ url, token }) => {
      const response = await fetch(`${url}/${id}`, { method: "DELETE", headers: { ...TUS, Authorization: `Bearer ${token}` } });
      if (!response.ok && response.status !== 404) throw new Refused(response.status, await problemOf(response));
    });
  }

  cancel(upload) {
    upload.stop.abort(new Error("given up"));
    this.#waiting = this.#waiting.filter((u) => u !== upload);
    if (upload.state === "waiting") this.#set(upload, "given-up");
  }

  #set(upload, state, error = "") {
    Object.assign(upload, { state, error });
    this.onChange(upload);
  }

  #next() {
    while (this.#running < AT_ONCE && this.#waiting.length > 0) {
      const upload = this.#waiting.shift();
      this.#running += 1;
      this.#run(upload).finally(() => {
        this.#running -= 1;
        this.#next();
      });
    }
  }

  async #run(upload) {
    const key = keyOf(this.#artist, upload.file, upload.kind);
    const { signal } = upload.stop;
    this.#set(upload, "sending");
    try {
      await this.#send(upload, key, signal);
      localStorage.removeItem(key);
      this.#set(upload, "done");
    } catch (why) {
      if (signal.aborted) {
        await this.#drop(key).catch(() => {});
        this.#set(upload, "given-up");
      } else {
        if (!(why instanceof Refused) || !why.passes) localStorage.removeItem(key);
        this.#set(upload, "failed", why.message);
      }
    }
  }

  async #send(upload, key, signal) {
    const { file } = upload;
    let at = null;
    let lost = 0;
    while (at === null || at < file.size) {
      at = await this.#home.persist(async ({ url, token }) => {
        const id = localStorage.getItem(key) ?? (await this.#begin(url, token, upload, key, signal));
        upload.id = id;
        // After a failure the server knows best how far it is; it may be another one by now.
        const offset = at === null ? await this.#offset(`${url}/${id}`, token, signal) : at;
        if (offset === null) {
          localStorage.removeItem(key);
          lost += 1;
          if (lost > 3) throw new Error("The server has lost the upload.");
          return null;
        }
        at = null;
        if (offset >= file.size) return offset;
        const piece = file.slice(offset, offset + PIECE_BYTES);
        return patch(`${url}/${id}`, token, offset, piece, (sent) => this.#sent(upload, sent), signal);
      }, signal);
      if (at !== null) this.#sent(upload, at);
    }
  }

  #sent(upload, sent) {
    upload.sent = sent;
    if (sent >= upload.file.size && upload.state === "sending") this.#set(upload, "looking");
    else this.onChange(upload);
  }

  // One after the other, in the order in which they were chosen: it is that of the page.
  #begin(...what) {
    const begun = this.#beginning.catch(() => {}).then(() => this.#beginNow(...what));
    this.#beginning = begun;
    return begun;
  }

  async #beginNow(url, token, { file, kind }, key, signal) {
    const headers = {
      ...TUS,
      Authorization: `Bearer ${token}`,
      "Upload-Length": file.size,
      "Upload-Metadata": `filename ${base64(file.name)},kind ${base64(kind)}`,
    };
    const response = await fetch(url, { method: "POST", headers, signal });
    if (response.status !== 201) throw new Refused(response.status, await problemOf(response));
    const id = response.headers.get("Location").split("/").pop();
    localStorage.setItem(key, id);
    return id;
  }

  // How far it is; null when the server does not know it.
  async #offset(url, token, signal) {
    const response = await fetch(url, { method: "HEAD", headers: { ...TUS, Authorization: `Bearer ${token}` }, signal });
    if (response.status === 404) return null;
    if (response.status === 422) return null;
    if (!response.ok) throw new Refused(response.status, response.status === 409 ? { code: "moved" } : response.status === 403 ? { code: "other_server" } : null);
    return Number(response.headers.get("Upload-Offset"));
  }

  async #drop(key) {
    const id = localStorage.getItem(key);
    localStorage.removeItem(key);
    if (!id) return;
    const { url, token } = await this.#home.grant();
    await fetch(`${url}/${id}`, { method: "DELETE", headers: { ...TUS, Authorization: `Bearer ${token}` } });
  }
}
