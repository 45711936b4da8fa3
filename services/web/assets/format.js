// Numbers, sizes and spans, as the server writes them.

const number = new Intl.NumberFormat("en-US");
const units = ["B", "kB", "MB", "GB", "TB", "PB"];

export const count = (n) => number.format(n).replace("-", "−");

export function bytes(n) {
  let unit = 0;
  while (Math.abs(n) >= 999.5 && unit + 1 < units.length) {
    n /= 1000;
    unit += 1;
  }
  return `${n.toFixed(unit > 0 && Math.abs(n) < 99.95 ? 1 : 0)} ${units[unit]}`;
}

export function duration(s) {
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function span(low, high) {
  const [unit, name] = high < 90 ? [1, "s"] : high < 5400 ? [60, "min"] : [3600, "h"];
  low = Math.floor(low / unit);
  high = Math.max(1, Math.ceil(high / unit));
  if (low === 0) return `less than ${high} ${name}`;
  return low === high ? `about ${high} ${name}` : `about ${low}–${high} ${name}`;
}

export const percent = (done, total) =>
  total > 0 ? Math.min(100, Math.floor((Math.max(0, done) * 100) / total)) : 0;

// The beginning and the end of a text that is too long to read, as the server does it.
const ends = (text, max) => {
  const chars = [...text];
  if (chars.length <= max) return text;
  const head = Math.floor(max / 2);
  return [...chars.slice(0, head), "…", ...chars.slice(chars.length - (max - head - 1))].join("");
};
export const path = (text) => ends(text, 120);
export const message = (text) => ends(text.split(" ").map(path).join(" "), 600);
export const fullStop = (text) => (text && !/[.!?…]$/.test(text) ? `${text}.` : text);
