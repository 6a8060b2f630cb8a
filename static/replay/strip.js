// The timeline of a recording: the seconds around the moment that is shown, and the whole recording above the slider.

import { upTo } from './past.js';
import { shape, titled } from './pictures.js';

const LANE = 26;
const TOP = 16;
const CURVE = 38;
const NAMES = 92;
/** The width of a time below the strip. */
const LABEL = 80;
/** The part of the strip that is past. */
const PAST = 0.8;
/** The kinds of events that are losses. */
const LOSSES = ['destroyed', 'lost_write', 'killed', 'lost'];
const WORDS = {
  destroyed: 'bombed', killed: 'killed', lost: 'no answer', answers: 'answers', recovered: 'recovered', founded: 'a member', forgotten: 'forgotten', paused: 'paused', resumed: 'resumed',
  lost_write: 'lost write', reset: 'reset', agreed: 'all agree', healed: 'healed', alarm: 'alarm', stopped: 'asked to stop', rebuilt: 'started',
};

/** Returns the colours of the style sheet, as a canvas takes them. */
function palette(nodes) {
  const probe = document.createElement('i');
  document.body.append(probe);
  const colour = (value) => {
    probe.style.color = value;
    return getComputedStyle(probe).color;
  };
  const own = (name) => (['gotham', 'metropolis', 'capitol'].includes(name) ? `var(--${name})` : 'var(--further)');
  const colours = Object.fromEntries(['ink', 'ink-2', 'mute', 'line', 'line-2', 'bad', 'bad-wash', 'mark', 'card'].map((name) => [name, colour(`var(--${name})`)]));
  colours.nodes = nodes.map(({ name }, node) => (node === nodes.length - 1 ? colours.mute : colour(own(name))));
  probe.remove();
  return colours;
}

function fitted(canvas, height) {
  const [width, scale] = [canvas.clientWidth, window.devicePixelRatio || 1];
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext('2d');
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width };
}

export class Strip {
  constructor(canvas, overview, past) {
    Object.assign(this, { canvas, overview, past });
    const { recording } = past;
    // A lane for each node that was observed; the others are not drawn.
    this.lanes = recording.nodes.map(() => -1);
    past.columns.forEach((node, lane) => (this.lanes[node] = lane));
    this.height = TOP + past.columns.length * LANE + CURVE + 18;
    this.most = past.differences.reduce((most, { count }) => Math.max(most, count), 1);
    this.writesAt = recording.changes.filter(({ write, node }) => write !== null && recording.writes[write].node === node);
    this.recolour();
  }

  recolour() {
    this.colours = palette(this.past.recording.nodes);
  }

  /** Draws the seconds around the moment. `span`: the width in milliseconds of the recording. */
  draw(span) {
    const { past, colours } = this;
    const { recording } = past;
    const { pen, width } = fitted(this.canvas, this.height);
    const [from, to] = [past.at - span * PAST, past.at + span * (1 - PAST)];
    const x = (at) => NAMES + ((at - from) / span) * (width - NAMES);
    const y = (node) => (this.lanes[node] < 0 ? -100 : TOP + LANE * (this.lanes[node] + 0.5));
    const base = TOP + past.columns.length * LANE + CURVE;
    pen.font = '12px Inter, system-ui, sans-serif';
    pen.textBaseline = 'middle';
    past.columns.forEach((node) => {
      const { name } = recording.nodes[node];
      this.mark(pen, name, node, 7, y(node), colours.nodes[node], colours.card);
      pen.fillStyle = colours.ink;
      pen.fillText(node === past.dispatch ? name : titled(name), 16, y(node));
    });
    pen.fillStyle = colours.mute;
    pen.fillText('that differ', 2, base - 12);
    pen.save();
    pen.beginPath();
    pen.rect(NAMES, 0, width - NAMES, this.height);
    pen.clip();
    this.grid({ pen, x, from, to, base, labels: (width - NAMES) / LABEL });
    const ends = (span) => (span.ended === null ? recording.length : span.ended);
    const band = (span, lanes, colour) => {
      if (span.began > to || ends(span) < from) return;
      pen.fillStyle = colour;
      for (const node of lanes) pen.fillRect(x(span.began), y(node) - 11, x(ends(span)) - x(span.began), 22);
    };
    for (const fault of recording.faults) {
      if (fault.began > to || ends(fault) < from) continue;
      const lanes = fault.to === null ? [fault.from] : [fault.from, fault.to];
      band(fault, lanes, fault.kind === 'cut' ? colours['bad-wash'] : colours.line);
      pen.fillStyle = fault.kind === 'cut' ? colours.bad : colours['ink-2'];
      for (const node of lanes) pen.fillText(fault.kind, Math.max(x(fault.began), NAMES) + 3, y(node) + 7);
    }
    for (const silence of recording.silences) band(silence, [silence.node], colours['bad-wash']);
    pen.strokeStyle = colours['line-2'];
    pen.lineWidth = 1.5;
    past.columns.forEach((node) => stroke(pen, [x(Math.max(from, 0)), y(node)], [x(Math.min(to, recording.length)), y(node)]));
    this.rounds({ pen, x, y, from, to });
    this.writes({ pen, x, y, from, to });
    this.marks({ pen, x, y, from, to });
    this.outline(pen, x, from, Math.min(to, recording.length), base, CURVE - 12);
    pen.fillStyle = colours.ink;
    pen.fillRect(x(past.at) - 1, TOP - 6, 2, base - TOP + 10);
    pen.restore();
  }

  grid({ pen, x, from, to, base, labels }) {
    const step = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000].find((step) => (to - from) / step <= labels) ?? 60_000;
    pen.strokeStyle = this.colours.line;
    pen.lineWidth = 1;
    pen.fillStyle = this.colours.mute;
    pen.textAlign = 'center';
    // At round times of the day.
    const { began, length } = this.past.recording;
    for (let at = Math.ceil((began + Math.max(from, 0)) / step) * step - began; at <= Math.min(to, length); at += step) {
      stroke(pen, [x(at), TOP - 6], [x(at), base]);
      pen.fillText(clock(this.past.recording, at, step < 100 ? 2 : step < 1000 ? 1 : 0), x(at), base + 10);
    }
    pen.textAlign = 'start';
  }

  rounds({ pen, x, y, from, to }) {
    const { pulls } = this.past.recording;
    const last = Math.min(pulls.length, upTo(pulls, (pull) => pull.ended, to + 4000));
    // One path for each look, since many short strokes are slow.
    const [same, failed, ends] = [new Path2D(), new Path2D(), this.colours.nodes.map(() => ({ lines: new Path2D(), heads: new Path2D() }))];
    for (let index = upTo(pulls, (pull) => pull.ended, from); index < last; index += 1) {
      const { asked, ended, puller, source, outcome } = pulls[index];
      if (asked > to) continue;
      const isFailed = outcome === 'unanswered' || outcome === 'refused';
      const entries = outcome?.merged?.entries ?? 0;
      const path = isFailed ? failed : entries ? ends[source].lines : same;
      path.moveTo(x(asked), y(isFailed ? puller : source));
      if (isFailed) path.lineTo(x(asked) + 4, y(puller) + (source > puller ? 13 : -13));
      else path.lineTo(x(ended), y(puller));
      if (!entries) continue;
      ends[source].heads.moveTo(x(ended) + 3, y(puller));
      ends[source].heads.arc(x(ended), y(puller), 3, 0, 2 * Math.PI);
    }
    const draw = (path, colour, width, dash = []) => {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.setLineDash(dash);
      pen.stroke(path);
    };
    draw(same, this.colours['line-2'], 1);
    draw(failed, this.colours.bad, 1.75, [4, 3]);
    ends.forEach(({ lines, heads }, node) => {
      draw(lines, this.colours.nodes[node], 1.75);
      pen.fillStyle = this.colours.nodes[node];
      pen.fill(heads);
    });
  }

  writes({ pen, x, y, from, to }) {
    const { writes } = this.past.recording;
    const first = upTo(this.writesAt, (one) => one.at, from);
    const last = upTo(this.writesAt, (one) => one.at, to);
    for (let index = first; index < last; index += 1) {
      const { at, node, write } = this.writesAt[index];
      const [own, card] = [this.colours.nodes[node], this.colours.card];
      const isDeletion = writes[write].value === null;
      this.mark(pen, this.past.recording.nodes[node].name, node, x(at), y(node), isDeletion ? card : own, isDeletion ? own : card);
    }
  }

  /** Draws the shape of a node. */
  mark(pen, name, node, x, y, fill, edge) {
    pen.save();
    pen.translate(x, y);
    pen.scale(0.75, 0.75);
    const path = new Path2D(node === this.past.dispatch ? 'M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0' : shape(name));
    pen.fillStyle = fill;
    pen.strokeStyle = edge;
    pen.lineWidth = 2;
    pen.fill(path);
    pen.stroke(path);
    pen.restore();
  }

  marks({ pen, x, y, from, to }) {
    const { events } = this.past.recording;
    const ends = new Map(); // the right end of the last label of each lane: labels do not overlap
    pen.font = '600 11px Inter, system-ui, sans-serif';
    for (let index = upTo(events, (event) => event.at, from - 1); index < events.length && events[index].at <= to; index += 1) {
      const { at, node, kind } = events[index];
      const word = WORDS[kind];
      if (!word || x(at) < (ends.get(node) ?? 0)) continue;
      pen.fillStyle = LOSSES.includes(kind) ? this.colours.bad : this.colours.ink;
      pen.fillText(word, x(at) + 3, y(node) - 11);
      ends.set(node, x(at) + pen.measureText(word).width + 10);
    }
    pen.font = '12px Inter, system-ui, sans-serif';
  }

  outline(pen, x, from, to, base, height) {
    const { differences } = this.past;
    const y = (count) => base - (count / this.most) * height;
    let index = Math.max(0, upTo(differences, (one) => one.at, from) - 1);
    let count = differences[index]?.count ?? 0;
    const path = new Path2D();
    path.moveTo(x(Math.max(from, 0)), y(count));
    for (index += 1; index < differences.length && differences[index].at <= to; index += 1) {
      path.lineTo(x(differences[index].at), y(count));
      ({ count } = differences[index]);
      path.lineTo(x(differences[index].at), y(count));
    }
    path.lineTo(x(to), y(count));
    const area = new Path2D(path);
    area.lineTo(x(to), base);
    area.lineTo(x(Math.max(from, 0)), base);
    pen.fillStyle = this.colours.mark;
    pen.fill(area);
    pen.strokeStyle = this.colours.ink;
    pen.lineWidth = 1.5;
    pen.stroke(path);
  }

  /** Draws the whole recording above the slider. */
  drawOverview() {
    const { recording } = this.past;
    const { pen, width } = fitted(this.overview, 34);
    const x = (at) => 8 + (at / (recording.length || 1)) * (width - 16); // the slider's thumb is 16 px wide
    this.outline(pen, x, 0, recording.length, 33, 22);
    for (const { at, kind } of recording.events) {
      if (!LOSSES.includes(kind)) continue;
      pen.fillStyle = this.colours.bad;
      pen.fillRect(x(at) - 1, 2, 2, 31);
    }
  }
}

function stroke(pen, from, to) {
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
}

/** Returns the time of day at a moment of the recording, with these digits of a fraction. */
export function clock(recording, at, digits) {
  const time = new Date(recording.began + at);
  const two = (number) => String(number).padStart(2, '0');
  const seconds = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  return digits ? `${seconds}.${String(time.getMilliseconds()).padStart(3, '0').slice(0, digits)}` : seconds;
}
