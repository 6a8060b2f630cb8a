// The map of a recording: the nodes, their links and faults, and the rounds under way.

import { upTo } from './past.js';

const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT] = [300, 250];
const CENTRE = { x: 150, y: 118 };
const RADIUS = 88;
const SHAPES = { gotham: 'M0 -8l8 14H-8z', metropolis: 'M-7 0a7 7 0 1 0 14 0a7 7 0 1 0-14 0', capitol: 'M-6.5 -6.5h13v13h-13z' };
const OTHER_SHAPE = 'M0 -8l8 8l-8 8l-8 -8z';
/** A round on a fast link takes a millisecond. It is drawn for this long before its end, in milliseconds of the viewer. */
const FLIGHT_MS = 450;
/** The longest time that a round takes, in milliseconds of the recording: those that end later are not under way. */
const ROUND_MS_MAX = 4000;
const FLIGHTS_MAX = 60;

function element(parent, name, attributes = {}, text = '') {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  parent.append(made);
  return made;
}

export const shape = (name) => SHAPES[name] ?? OTHER_SHAPE;
export const titled = (name) => name.replace(/(^|[- ])(\p{L})/gu, (_, gap, letter) => gap.replace('-', ' ') + letter.toLocaleUpperCase());

export class Picture {
  constructor(svg, past) {
    this.past = past;
    const { nodes } = past.recording;
    svg.replaceChildren();
    svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    // Those that were observed, or took part in rounds.
    const met = new Set(past.recording.pulls.flatMap(({ puller, source }) => [puller, source]));
    this.drawn = nodes.map(({ observed }, node) => observed || met.has(node));
    const around = nodes.flatMap((_, node) => (this.drawn[node] && node !== past.dispatch ? [node] : []));
    this.places = nodes.map((_, node) => {
      if (node === past.dispatch) return CENTRE;
      const angle = -Math.PI / 2 - Math.PI / around.length + (2 * Math.PI * around.indexOf(node)) / around.length; // as on the live page
      return { x: CENTRE.x + RADIUS * 1.25 * Math.cos(angle), y: CENTRE.y + RADIUS * Math.sin(angle) };
    });
    this.ways = new Map();
    for (let a = 0; a < nodes.length; a += 1) {
      for (let b = a + 1; b < nodes.length; b += 1) {
        if (!this.drawn[a] || !this.drawn[b]) continue;
        const [from, to] = [this.places[a], this.places[b]];
        const way = element(svg, 'g', { class: 'way' });
        element(way, 'path', { d: `M${from.x} ${from.y}L${to.x} ${to.y}` });
        const [x, y] = [(from.x + to.x) / 2, (from.y + to.y) / 2];
        this.ways.set(`${a}-${b}`, { way, cross: element(way, 'path', { class: 'cross', d: `M${x - 6} ${y - 6}l12 12m0-12l-12 12` }) });
      }
    }
    const above = element(svg, 'g');
    this.discs = nodes.map(({ name }, node) => {
      const { x, y } = this.places[node];
      const disc = element(svg, 'g', { class: `place ${name}`, transform: `translate(${x} ${y})` });
      element(disc, 'circle', { class: 'ground', r: node === past.dispatch ? 14 : 22 });
      if (node !== past.dispatch) element(disc, 'path', { class: 'glyph', d: shape(name), transform: 'translate(0 -7) scale(.8)' });
      const many = element(disc, 'text', { class: 'many', y: node === past.dispatch ? 4 : 13, 'text-anchor': 'middle' });
      element(disc, 'text', { class: 'name', y: node === past.dispatch ? -19 : -27, 'text-anchor': 'middle' }, node === past.dispatch ? name : titled(name));
      const state = element(disc, 'text', { class: 'is bad', y: 36, 'text-anchor': 'middle' });
      return { disc, many, state };
    });
    this.flights = Array.from({ length: FLIGHTS_MAX }, () => {
      const flight = element(above, 'g', { class: 'flight' });
      return { flight, dot: element(flight, 'circle', { r: 5 }), label: element(flight, 'text', { y: -8, 'text-anchor': 'middle' }) };
    });
    svg.append(above); // after the nodes, so that flights cover them
  }

  /** Draws the moment. `speed`: milliseconds of the recording per millisecond of the viewer. */
  draw(speed) {
    const { past } = this;
    const { answering } = past;
    const faults = past.faults();
    const isThere = (node) => past.members[node] || !past.recording.nodes[node].observed;
    const isFrozen = (node) => faults.some((fault) => fault.kind === 'freeze' && fault.from === node);
    past.recording.nodes.forEach((_, node) => {
      const { disc, many, state } = this.discs[node];
      set(many, past.recording.nodes[node].observed ? past.live[node].toLocaleString('en') : '');
      disc.style.display = this.drawn[node] && isThere(node) ? '' : 'none';
      set(state, isFrozen(node) ? 'frozen' : answering[node] ? '' : 'no answer');
      disc.classList.toggle('unknown', !answering[node] || isFrozen(node));
    });
    const affects = (fault, a, b) => (fault.from === a && (fault.to === b || fault.to === null)) || (fault.both && fault.to === a && fault.from === b);
    for (const [key, { way, cross }] of this.ways) {
      const [a, b] = key.split('-').map(Number);
      const here = faults.filter((fault) => fault.kind !== 'freeze' && fault.kind !== 'skew' && (affects(fault, a, b) || affects(fault, b, a)));
      const isCut = here.some((fault) => fault.kind === 'cut');
      way.style.display = isThere(a) && isThere(b) ? '' : 'none';
      way.setAttribute('class', `way ${isCut ? 'cut' : here.length ? 'delayed' : ''}${b === past.dispatch ? ' faint' : ''}`);
      cross.style.display = isCut ? '' : 'none';
    }
    this.fly(speed);
  }

  fly(speed) {
    const { past } = this;
    const { pulls, nodes } = past.recording;
    const shortest = FLIGHT_MS * speed;
    const first = upTo(pulls, (pull) => pull.ended, past.at);
    const last = upTo(pulls, (pull) => pull.ended, past.at + Math.max(ROUND_MS_MAX, shortest));
    let used = 0;
    for (let index = first; index < last && used < FLIGHTS_MAX; index += 1) {
      const pull = pulls[index];
      const began = Math.min(pull.asked, pull.ended - shortest);
      if (began > past.at) continue;
      const done = (past.at - began) / (pull.ended - began || 1);
      const isFailed = pull.outcome === 'unanswered';
      // The question goes to the source in the first third; the answer comes back. One without an answer stops half way.
      const way = isFailed ? Math.min(done * 3, 1) * 0.5 : done < 1 / 3 ? done * 3 : 1 - (done - 1 / 3) * 1.5;
      const [from, to] = [this.places[pull.puller], this.places[pull.source]];
      const { flight, dot, label } = this.flights[used];
      used += 1;
      const answers = !isFailed && done >= 1 / 3;
      const entries = pull.outcome?.merged?.entries ?? 0;
      flight.setAttribute('transform', `translate(${(from.x + (to.x - from.x) * way).toFixed(1)} ${(from.y + (to.y - from.y) * way).toFixed(1)})`);
      const kind = isFailed || pull.outcome === 'refused' ? 'failed' : answers ? `answer ${nodes[pull.source].name}` : 'question';
      flight.setAttribute('class', `flight ${kind}`);
      dot.setAttribute('r', answers && entries ? 6.5 : 3.5);
      set(label, isFailed && done > 1 / 3 ? '✕' : answers && entries ? entries.toLocaleString('en') : '');
      flight.style.display = '';
    }
    for (; used < FLIGHTS_MAX && this.flights[used].flight.style.display !== 'none'; used += 1) this.flights[used].flight.style.display = 'none';
  }
}

/** Replaces the text of an element, if it is another one. */
export function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
