// One player for all songs of the page. Without it each song has the browser's own controls.

// How often a song that broke off is taken up again, and after what pauses.
const RETRY_MS = [300, 1000, 2000, 4000, 8000, 15_000];

const list = document.getElementById("songs");
const songs = [...list.querySelectorAll("li")].map((row) => {
  const own = row.querySelector("audio");
  return {
    row,
    src: own.src,
    title: row.querySelector("h2").textContent,
    button: row.querySelector("button"),
    length: row.querySelector(".length"),
    wave: row.querySelector(".wave"),
  };
});
const bar = document.getElementById("player");
const audio = bar.querySelector("audio");
const part = (id) => document.getElementById(id);
const [now, state, at, seek, length] = ["now", "state", "at", "seek", "length"].map(part);
const act = Object.fromEntries([...bar.querySelectorAll("button")].map((b) => [b.dataset.do, b]));

let current = -1;
// What the listener wants, whatever the network does.
let wanted = false;
let tries = 0;
let retry = null;
let seeking = false;

function time(s) {
  if (!Number.isFinite(s)) return "–:––";
  const whole = Math.floor(s);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function show() {
  songs.forEach(({ row, button, title }, n) => {
    const on = n === current;
    row.toggleAttribute("data-current", on);
    row.toggleAttribute("data-playing", on && wanted);
    button.setAttribute("aria-label", `${on && wanted ? "Pause" : "Play"} ${title}`);
  });
  bar.toggleAttribute("data-playing", wanted);
  act.toggle.setAttribute("aria-label", wanted ? "Pause" : "Play");
  act.next.disabled = current + 1 >= songs.length;
}

function showTime() {
  const whole = audio.duration;
  at.textContent = time(audio.currentTime);
  length.textContent = time(whole);
  seek.max = Number.isFinite(whole) ? whole : 0;
  if (!seeking) seek.value = audio.currentTime;
  const heard = whole > 0 ? (100 * audio.currentTime) / whole : 0;
  songs[current]?.wave?.style.setProperty("--heard", `${heard.toFixed(2)}%`);
  seek.setAttribute("aria-valuetext", `${time(audio.currentTime)} of ${time(whole)}`);
}

function calm() {
  clearTimeout(retry);
  retry = null;
  state.textContent = "";
}

function play() {
  wanted = true;
  show();
  // A refusal also comes as an error event, or because another song was chosen meanwhile.
  audio.play().catch((why) => {
    if (why.name === "NotAllowedError") pause();
  });
}

function pause() {
  wanted = false;
  calm();
  audio.pause();
  show();
}

function choose(n) {
  current = n;
  tries = 0;
  calm();
  bar.hidden = false;
  now.textContent = songs[n].title;
  audio.src = songs[n].src;
  if ("mediaSession" in navigator) {
    navigator.mediaSession.metadata = new MediaMetadata({
      title: songs[n].title,
      artist: list.dataset.artist,
    });
  }
  showTime();
  play();
}

const toggle = () => (wanted ? pause() : play());
function before() {
  if (audio.currentTime > 3 || current === 0) audio.currentTime = 0;
  else choose(current - 1);
}
function next() {
  if (current + 1 < songs.length) choose(current + 1);
  else pause();
}

// A stream that breaks off goes on where it was: the server was restarted, or the network was away.
function takeUp() {
  if (!wanted || retry !== null) return;
  if (tries >= RETRY_MS.length) {
    pause();
    state.textContent = "The song cannot be loaded just now.";
    return;
  }
  const position = audio.currentTime;
  state.textContent = "Connecting again…";
  retry = setTimeout(() => {
    retry = null;
    // Another URL: what the browser has kept of a song may not be mixed with what comes now.
    audio.src = `${songs[current].src}?again=${Date.now()}`;
    audio.currentTime = position;
    play();
  }, RETRY_MS[tries]);
  tries += 1;
}

audio.addEventListener("error", takeUp);
audio.addEventListener("ended", next);
audio.addEventListener("playing", () => {
  tries = 0;
  calm();
});
audio.addEventListener("timeupdate", showTime);
audio.addEventListener("durationchange", () => {
  showTime();
  if (Number.isFinite(audio.duration)) songs[current].length.textContent = time(audio.duration);
});
// Headphones, keys, another application: the page follows.
audio.addEventListener("pause", () => {
  if (!audio.ended && !audio.error && retry === null && wanted) pause();
});
audio.addEventListener("play", () => {
  wanted = true;
  show();
});
seek.addEventListener("input", () => {
  seeking = true;
  at.textContent = time(Number(seek.value));
});
seek.addEventListener("change", () => {
  seeking = false;
  audio.currentTime = Number(seek.value);
});
act.toggle.addEventListener("click", toggle);
act.before.addEventListener("click", before);
act.next.addEventListener("click", next);
if ("mediaSession" in navigator) {
  navigator.mediaSession.setActionHandler("previoustrack", before);
  navigator.mediaSession.setActionHandler("nexttrack", next);
}

songs.forEach(({ row, button }, n) => {
  row.querySelector("audio").remove();
  button.hidden = false;
  row.addEventListener("click", (e) => {
    if (e.target.closest("a")) return;
    const wave = e.target.closest(".wave");
    if (wave && n === current && Number.isFinite(audio.duration)) {
      const box = wave.getBoundingClientRect();
      audio.currentTime = ((e.clientX - box.left) / box.width) * audio.duration;
      if (!wanted) play();
    } else if (n === current) toggle();
    else choose(n);
  });
});
list.dataset.player = "on";
