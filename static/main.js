// Connects the modules. The page is complete without them: forms post, links navigate, and the page refreshes.

import { spaced } from './announce.js';
import { commands } from './commands.js';
import { contact } from './contact.js';
import { frames } from './frames.js';
import { orderHold, pageHold } from './hold.js';
import { keys } from './keys.js';
import { live } from './live.js';
import { map } from './map.js';
import { arrange, morph, parsed } from './morph.js';
import { notices } from './notices.js';
import { handOver } from './replay/handover.js';
import { servers } from './servers.js';
import { story } from './story.js';
import { themeSwitch } from './theme.js';
import { view } from './view.js';

const root = document.documentElement;
const rows = document.getElementById('table-rows');

map(document.getElementById('act'));
frames(document.querySelector('.cluster-map'));
story(document.getElementById('faults-title').closest('section'));

themeSwitch(document.getElementById('theme'));

const notice = notices(document.getElementById('notices'));
const server = servers(root.dataset.others?.split(' ') ?? []);
const command = commands({ onNotice: (text) => notice(text, 'answer'), run: () => socket.epoch(), server });
const shown = contact({ onRetry: () => socket.open() });

const order = orderHold(rows, watch, () => watch());

let polling; // the reason for polling that was last shown
let skipped = 0; // the time of the last notice that this browser is slow

/** Requests the view of the current address; the rows in `held` keep their positions. */
function watch(held = []) {
  socket.watch(location.search.slice(1), held.flatMap((id) => (id.startsWith('h-') ? [id.slice(2)] : [])));
}

/** Returns the part of the address that determines the rows: all parameters except the inspected hero. */
function listed() {
  const query = new URLSearchParams(location.search);
  query.delete('hero');
  return query.toString();
}

let shownList = listed();

function moved() {
  // A request for another view ends the hold, so that its result is visible.
  hold.free();
  if (listed() !== shownList) order.release();
  shownList = listed();
  watch(order.heldKeys());
}

const hold = pageHold(document.getElementById('hold'), ({ html = {}, lists = {}, news = [], moving, whole }) => {
  for (const [id, piece] of Object.entries(html)) {
    if (id === 'title') document.title = piece;
    else morph(id, piece);
  }
  for (const [id, change] of Object.entries(lists)) arrange(id, id === rows.id ? order.take(change, whole) : change);
  document.getElementById('timeline-moving').setAttribute('transform', moving);
  if (html.inspector) moves.explained();
  if (html.cluster) relane();
  for (const { text } of news) notice(text, 'broadcast');
  spaced(document.querySelector('#verdict [aria-live]'));
});

// A recording that is dropped on the page opens in the player.
const dropsFile = (event) => event.dataTransfer?.types.includes('Files');
document.addEventListener('dragover', (event) => dropsFile(event) && event.preventDefault());
document.addEventListener('drop', async (event) => {
  if (!dropsFile(event)) return;
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (!file) return;
  try {
    await handOver(file);
    location.assign('/replay?dropped');
  } catch {
    notice('This browser keeps no files: open the recording at /replay.', 'dropped');
  }
});

let relaning = false;

/** Replaces the timeline when a city has joined or left, since its lanes are no fragments. */
async function relane() {
  const keys = (selector) => [...document.querySelectorAll(selector)].map((item) => item.id.replace('city-', '') || item.getAttribute('class')).join();
  const lanes = keys('.lane-names g').split(',').slice(0, -1).join();
  if (relaning || lanes === keys('#cluster .city')) return;
  relaning = true;
  const answer = await fetch(location.href).catch(() => null); // without contact the next frame tries again
  relaning = false;
  if (!answer?.ok) return;
  document.getElementById('timeline').replaceWith(parsed(await answer.text()).getElementById('timeline'));
  socket.renew();
}

const socket = live({
  server,
  page: { epoch: root.dataset.epoch, frame: Number(root.dataset.frame) },
  query: (epoch, frame, bare) => {
    const query = new URLSearchParams(location.search);
    query.set('epoch', epoch);
    query.set('since', frame);
    if (bare) query.set('bare', '');
    return query;
  },
  onFrame: (frame) => hold.take(frame),
  onSkip() {
    if (Date.now() - skipped > 10_000) notice('This browser is slow: skipping to the newest state.', 'skips');
    skipped = Date.now();
  },
  onContact(state) {
    shown(state);
    command.allow(state.name === 'live');
    if (state.polling && state.polling !== polling) notice(`${state.polling} The page asks every second instead.`, 'contact');
    polling = state.polling;
  },
});

const moves = view({ canFollow: () => socket.isLive(), onMove: moved });
keys({ hold: () => hold.toggle() });
