// The player: opens a recording, moves through it, and shows each moment on map, rows and timeline together.

import { read } from './recording.js';
import { takeOver } from './handover.js';
import { Past, upTo } from './past.js';
import { Picture, set } from './pictures.js';
import { RowList } from './rows.js';
import { Strip, clock } from './strip.js';

const SPEEDS = [0.01, 0.1, 1, 4, 16];
const EVENTS_SHOWN = 8;
/** The width of the timeline at normal speed, in milliseconds. At a tenth it shows a quarter of it. */
const SPAN_MS = 24_000;
/** The time before a linked moment at which the replay begins. */
const LEAD_MS = 1500;
/** The time for which a row stays after its last change, in milliseconds of the viewer. */
const FRESH_MS = 3000;

const at = (id) => document.getElementById(id);
let shown = null; // the parts of the opened recording
let isPlaying = false;
let speed = 1;
let last = null; // the time of the frame before

/** Opens a file. Keeps the recording that is open if it is refused. */
async function open(file, name) {
  let recording;
  try {
    recording = await read(file);
  } catch (error) {
    tell(`${name} was not opened: ${error.message}.`);
    return;
  }
  tell('');
  const past = new Past(recording);
  shown = {
    past,
    picture: new Picture(at('picture'), past),
    rows: new RowList(at('held'), at('held-foot'), past),
    strip: new Strip(at('strip'), at('overview'), past),
  };
  document.body.dataset.open = '';
  const seconds = Math.round(recording.length / 1000);
  const length = seconds < 120 ? `${seconds} s` : `${(seconds / 60).toFixed(seconds % 60 ? 1 : 0)} min`;
  const day = new Date(recording.began).toLocaleDateString(undefined, { dateStyle: 'medium' });
  set(at('about'), `${name}: ${length} of ${recording.source}, ${day}`);
  document.title = `${name} · Replay · Superhero Cluster`;
  at('time').max = recording.length;
  shown.strip.drawOverview();
  // A link may name a moment, and the replay begins a little earlier; or a number of seconds before the end.
  const asked = new URLSearchParams(location.search);
  const [from, back] = ['from', 'back'].map((name) => Number(asked.get(name)));
  go(from > 0 ? from - recording.began - LEAD_MS : back > 0 ? recording.length - back * 1000 : 0);
}

function tell(text) {
  at('refused').hidden = !text;
  set(at('refused'), text);
}

/** Moves to a moment, in milliseconds since the beginning. */
function go(moment) {
  if (!shown) return;
  const { past } = shown;
  past.seek(Math.max(0, Math.min(moment, past.recording.length)));
  draw();
}

function draw() {
  const { past, picture, rows, strip } = shown;
  picture.draw(speed);
  rows.draw(at('find').value, FRESH_MS * Math.min(speed, 1));
  strip.draw(SPAN_MS * (speed < 1 ? Math.max(speed * 2.5, 0.04) : Math.min(speed, 4)));
  const time = clock(past.recording, past.at, speed < 0.1 ? 3 : 1);
  set(at('clock'), time);
  const slider = at('time');
  if (document.activeElement !== slider || isPlaying) slider.value = past.at;
  slider.setAttribute('aria-valuetext', time);
  const count = past.apart.size;
  set(at('sentence'), count ? `${count.toLocaleString('en')} ${count === 1 ? 'hero differs' : 'heroes differ'}` : 'All cities agree');
  document.body.classList.toggle('apart', count > 0);
  const faults = past.faults().map((fault) => fault.text);
  set(at('in-force'), faults.length ? `In force: ${faults.join('; ')}` : 'No faults in force');
  const list = at('happened');
  const events = past.events(EVENTS_SHOWN);
  const key = events.map((event) => past.recording.events.indexOf(event)).join();
  if (list.dataset.key === key && list.childElementCount) return;
  list.dataset.key = key;
  list.replaceChildren(...events.map((event) => line(past.recording, event)));
}

function line(recording, event) {
  const item = document.createElement('li');
  const time = document.createElement('button');
  time.type = 'button';
  time.className = 'moment';
  time.textContent = clock(recording, event.at, 1);
  time.addEventListener('click', () => go(event.at));
  const text = document.createElement('span');
  text.textContent = event.text;
  item.append(time, text);
  if (['destroyed', 'lost_write'].includes(event.kind)) item.className = 'bad';
  return item;
}

function play(starts) {
  if (!shown || starts === isPlaying) return;
  isPlaying = starts;
  set(at('play'), starts ? 'Pause' : 'Play');
  if (!starts) return;
  const { past } = shown;
  if (past.at >= past.recording.length) past.seek(0);
  last = null;
  requestAnimationFrame(frame);
}

function frame(now) {
  if (!isPlaying) return;
  // A tab in the background gets no frames; it goes on where it was.
  const passed = last === null ? 0 : Math.min(now - last, 100);
  last = now;
  const { past } = shown;
  go(past.at + passed * speed);
  if (past.at >= past.recording.length) play(false);
  else requestAnimationFrame(frame);
}

function pace(wanted) {
  speed = SPEEDS.includes(wanted) ? wanted : 1;
  for (const choice of document.querySelectorAll('[name=speed]')) choice.checked = Number(choice.value) === speed;
  if (shown) draw();
}

/** Moves to the next event, or the one before. */
function step(direction) {
  if (!shown) return;
  const { past } = shown;
  const { events } = past.recording;
  const place = direction > 0 ? upTo(events, (event) => event.at, past.at) : upTo(events, (event) => event.at, past.at - 1) - 1;
  go(events[place]?.at ?? (direction > 0 ? past.recording.length : 0));
}

const back = (direction) => go((shown?.past.at ?? 0) + direction * Math.min(1000 * speed, 1000));

at('play').addEventListener('click', () => play(!isPlaying));
at('before').addEventListener('click', () => step(-1));
at('after').addEventListener('click', () => step(1));
at('time').addEventListener('input', (event) => go(Number(event.target.value)));
at('find').addEventListener('input', () => shown && draw());
for (const choice of document.querySelectorAll('[name=speed]')) choice.addEventListener('change', () => pace(Number(choice.value)));
at('file').addEventListener('change', (event) => {
  const [file] = event.target.files;
  if (file) open(file, file.name);
  event.target.value = ''; // the same file may be chosen again
});
document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', (event) => {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (file) open(file, file.name);
});
document.addEventListener('keydown', (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches('input[type=search], input[type=range], input[type=radio], button, a, label')) return;
  const keys = {
    ' ': () => play(!isPlaying), ArrowLeft: () => back(-1), ArrowRight: () => back(1), Home: () => go(0), End: () => go(Infinity), '[': () => step(-1), ']': () => step(1),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
new ResizeObserver(() => {
  if (!shown) return;
  shown.strip.drawOverview();
  draw();
}).observe(at('strip'));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  if (!shown) return;
  shown.strip.recolour();
  shown.strip.drawOverview();
  draw();
});

/** Opens what the page brings along, or what dispatch has recorded. */
async function begin() {
  const asked = new URLSearchParams(location.search);
  pace(Number(asked.get('speed') ?? 1));
  const within = at('recording');
  const { source, name } = document.body.dataset;
  if (within) {
    const bytes = Uint8Array.from(atob(within.textContent), (character) => character.charCodeAt(0));
    await open(new Blob([bytes]), within.dataset.name);
  } else if (asked.has('dropped')) {
    const file = await takeOver().catch(() => null);
    if (file) await open(file, file.name);
    else tell('The file was not handed over: drop it here.');
  } else if (source && !asked.has('empty')) {
    const last = asked.get('last');
    try {
      const answer = await fetch(last ? `${source}?last=${encodeURIComponent(last)}` : source);
      if (!answer.ok) throw new Error((await answer.json()).detail);
      await open(await answer.blob(), name);
    } catch (error) {
      tell(`${name} was not opened: ${error.message}.`);
    }
  }
  if (asked.has('speed')) play(true);
}

begin();
