// Which artists are chosen, across filters and pages: some by id, or all that match but some.

const keys = ["artists", "plays", "plays30", "bytes"];
const zero = () => Object.fromEntries(keys.map((k) => [k, 0]));

export class Selection {
  #some = new Map(); // id -> {server, plays, plays30, bytes}
  #all = null; // {filter, server, totals: Map(server -> sums), except: Map(id -> row)}

  get isAll() { return this.#all !== null; }

  // Whether "all" means this artist: as the server's filter does.
  #means(row) {
    const { filter, server } = this.#all;
    return (!server || row.server === server)
      && row.name.toLowerCase().includes(filter.toLowerCase());
  }

  has(id, row) {
    return this.#all ? this.#means(row) && !this.#all.except.has(id) : this.#some.has(id);
  }

  // False if this artist cannot be added to the "all" that is chosen.
  set(id, row, chosen) {
    if (this.#all) {
      if (!this.#means(row)) return !chosen;
      if (chosen) this.#all.except.delete(id);
      else this.#all.except.set(id, row);
    } else if (chosen) this.#some.set(id, row);
    else this.#some.delete(id);
    return true;
  }

  chooseAll(filter, server, totals) {
    this.#all = { filter, server, totals, except: new Map() };
  }

  // Whether the "all" that was chosen is the "all" of this list.
  isAllOf(filter, server) {
    return this.#all !== null && this.#all.filter === filter && this.#all.server === server;
  }

  clear() {
    this.#all = null;
    this.#some.clear();
  }

  // Sums per home server.
  perServer() {
    const sums = new Map();
    const add = (row, sign) => {
      const sum = sums.get(row.server) ?? zero();
      for (const k of keys) sum[k] += sign * (k === "artists" ? (row.artists ?? 1) : row[k]);
      sums.set(row.server, sum);
    };
    if (this.#all) {
      for (const row of this.#all.totals) add(row, 1);
      for (const row of this.#all.except.values()) add(row, -1);
    } else {
      for (const row of this.#some.values()) add(row, 1);
    }
    return sums;
  }

  total() {
    const total = zero();
    for (const sum of this.perServer().values()) for (const k of keys) total[k] += sum[k];
    return total;
  }

  // What the API is asked to move.
  request() {
    if (!this.#all) return { artist_ids: [...this.#some.keys()] };
    const { filter, server, except } = this.#all;
    return { selector: { filter, server_id: server || null, except_ids: [...except.keys()] } };
  }
}
