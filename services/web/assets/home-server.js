// An artist's home server, wherever it is at the moment. The master says where, and gives leave for
// a minute at a time; when the artist moves, the next request goes to the new home.

const RETRY_MS = [300, 700, 1500, 3000, 5000, 8000];
// A move's freeze takes seconds; a server that is restarted, less than a minute.
const PATIENCE_MS = 10 * 60_000;
// Leave is renewed this long before it ends.
const SPARE_MS = 15_000;

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));
export const retryPause = (tries) => RETRY_MS[Math.min(tries, RETRY_MS.length - 1)];

// What the server or the master said no to.
export class Refused extends Error {
  constructor(status, problem) {
    const { detail, title, remedy } = problem ?? {};
    super([detail ?? title ?? `The server answers ${status}.`, remedy].filter(Boolean).join(" "));
    this.status = status;
    this.code = problem?.code;
  }

  // Whether asking again, perhaps elsewhere, may help.
  get passes() {
    const moved = this.status === 403 && this.code === "other_server";
    return moved || this.code === "moved" || this.code === "being_made" || [401, 408, 423, 429, 500, 502, 503, 504].includes(this.status);
  }
}

export async function problemOf(response) {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

export class HomeServer {
  #artist;
  #grant = null;
  #asking = null;
  // Called with a sentence while something is waited for, and with "" afterwards.
  onWait = () => {};

  constructor(artist) {
    this.#artist = artist;
  }

  // Leave that is good for a while.
  async grant() {
    if (this.#grant && Date.parse(this.#grant.expires_at) - SPARE_MS > Date.now()) return this.#grant;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  forget() {
    this.#grant = null;
  }

  async #ask() {
    const response = await fetch(`/api/v1/artists/${this.#artist}/upload-grants`, { method: "POST" });
    if (response.status === 401) {
      location.assign(`/sign-in?next=${encodeURIComponent(location.pathname)}`);
    }
    if (!response.ok) throw new Refused(response.status, await problemOf(response));
    this.#grant = await response.json();
    return this.#grant;
  }

  // Does `act` with leave, again and again while what fails may pass.
  async persist(act, signal) {
    const since = Date.now();
    for (let tries = 0; ; tries += 1) {
      signal?.throwIfAborted();
      try {
        const result = await act(await this.grant());
        if (tries > 0) this.onWait("");
        return result;
      } catch (why) {
        // A TypeError is fetch's word for: no answer.
        const passes = why instanceof Refused ? why.passes : why instanceof TypeError;
        if (!passes || Date.now() - since > PATIENCE_MS) throw why;
        this.forget();
        const moves = ["moving", "moved", "other_server", "being_made"].includes(why.code);
        if (moves && why.code === "being_made") this.onWait("Your page is being made…");
        else if (moves) this.onWait("Your page is moving to another server; this goes on by itself in a moment.");
        else this.onWait(why instanceof Refused ? why.message : "The server does not answer; trying again…");
        await pause(retryPause(tries));
      }
    }
  }

  // A request to the workshop, in JSON.
  call(method, path, body) {
    return this.persist(async ({ workshop_url, token }) => {
      const headers = { Authorization: `Bearer ${token}` };
      if (body !== undefined) headers["Content-Type"] = "application/json";
      const response = await fetch(workshop_url + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
      if (!response.ok) throw new Refused(response.status, await problemOf(response));
      return response.json();
    });
  }
}
