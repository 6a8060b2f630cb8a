// The rows of a recording: what each node held of the heroes that differ or have just changed.

import { set, titled } from './pictures.js';

const ROWS_MAX = 24;

export class RowList {
  constructor(table, foot, past) {
    this.past = past;
    this.foot = foot;
    const head = table.tHead.rows[0];
    head.replaceChildren();
    const column = (text) => {
      const cell = document.createElement('th');
      cell.scope = 'col';
      cell.textContent = text;
      head.append(cell);
    };
    column('Hero');
    const name = (node) => past.recording.nodes[node].name;
    past.columns.forEach((node) => column(node === past.dispatch ? name(node) : titled(name(node))));
    const body = table.tBodies[0];
    body.replaceChildren();
    this.rows = Array.from({ length: ROWS_MAX }, () => {
      const row = body.insertRow();
      row.hidden = true;
      const title = document.createElement('th');
      title.scope = 'row';
      row.append(title);
      return { row, title, cells: past.columns.map(() => row.insertCell()), shown: '' };
    });
  }

  /** Draws the rows. `fresh`: the time for which a row stays after its last change, in milliseconds of the recording. */
  draw(search, fresh) {
    const { past } = this;
    const { answering, members } = past;
    const shown = past.shown(search, past.at - fresh);
    this.rows.forEach((line, index) => {
      const hero = shown[index];
      if (hero === undefined) {
        if (!line.row.hidden) line.row.hidden = true;
        return;
      }
      const held = past.held[hero];
      const key = `${hero}:${held.join()}:${answering.join()}:${members.join()}`;
      if (line.shown === key && !line.row.hidden) return;
      line.shown = key;
      line.row.hidden = false;
      set(line.title, past.recording.heroes[hero].name);
      const counted = past.cities.filter((node) => answering[node] && members[node]).map((node) => held[node]);
      const differs = past.apart.has(hero);
      past.columns.forEach((node, place) => {
        if (members[node]) this.fill(line.cells[place], held[node], differs && node !== past.dispatch && answering[node], counted, !answering[node]);
        else line.cells[place].replaceChildren('–');
      });
    });
    const rest = shown.length - Math.min(shown.length, ROWS_MAX);
    const total = past.recording.heroes.length + Math.max(...past.recording.others);
    const what = search.trim() ? 'found' : 'differ, or have just changed';
    set(this.foot, `${shown.length.toLocaleString('en')} of ${total.toLocaleString('en')} heroes ${what}${rest ? `; ${rest.toLocaleString('en')} of them are not shown` : ''}`);
  }

  fill(cell, write, differs, counted, isStale) {
    cell.className = [differs && 'differs', isStale && 'stale'].filter(Boolean).join(' ');
    const { writes } = this.past.recording;
    const marked = (text, of, className = '') => {
      const isOdd = differs && counted.some((other) => of(other === null ? null : writes[other].value) !== of(write === null ? null : writes[write].value));
      const part = document.createElement(isOdd ? 'mark' : 'span');
      part.className = className;
      part.textContent = text;
      return part;
    };
    if (write === null) return cell.replaceChildren(marked('missing', (value) => value === null));
    const { value } = writes[write];
    if (value === null) return cell.replaceChildren(marked('terminated', (other) => other === null));
    const place = marked(titled(value.place), (other) => other?.place, `at ${value.place}`);
    const health = marked(String(value.health), (other) => other?.health);
    const does = value.patrolling ? [' ', marked('patrolling', (other) => other?.patrolling, 'does')] : [];
    return cell.replaceChildren(place, ' ', health, ...does);
  }
}
