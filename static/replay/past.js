// The cluster of a recording at one moment. Moving to another moment applies the changes in between, or undoes them, so a step costs as much
// as what has changed.

export class Past {
  constructor(recording) {
    this.recording = recording;
    this.at = 0;
    this.next = 0; // the number of changes that are applied
    const nodes = recording.nodes.length;
    this.dispatch = nodes - 1;
    this.columns = recording.nodes.flatMap(({ observed }, node) => (observed ? [node] : []));
    this.cities = this.columns.filter((node) => node !== this.dispatch);
    this.held = recording.heroes.map(() => new Array(nodes).fill(null));
    for (const { hero, node, write } of recording.held) this.held[hero][node] = write;
    this.live = [...recording.others];
    this.members = this.membersAt(0);
    this.answering = this.answeringAt(0);
    for (const cells of this.held) cells.forEach((write, node) => (this.live[node] += this.isLive(write)));
    // What each change replaces, for the way back.
    const held = this.held.map((cells) => [...cells]);
    this.replaced = recording.changes.map(({ hero, node, write }) => {
      const before = held[hero][node];
      held[hero][node] = write;
      return before;
    });
    this.apart = new Set(recording.heroes.flatMap((_, hero) => (this.differs(hero) ? [hero] : [])));
    this.changedAt = recording.heroes.map(() => []);
    for (const { hero, at } of recording.changes) this.changedAt[hero].push(at);
    const compared = new Intl.Collator('en').compare;
    this.byName = recording.heroes.map((_, hero) => hero).sort((a, b) => compared(recording.heroes[a].name, recording.heroes[b].name));
    this.differences = this.counted();
  }

  /** Returns the number of heroes that differed from each moment on at which it changed. */
  counted() {
    const { changes, silences, members, length } = this.recording;
    const moments = [...changes.map(({ at }) => at), ...[...silences, ...members].flatMap(({ began, ended }) => [began, ended ?? length])];
    const counted = [];
    for (const at of new Set([0, ...moments.sort((a, b) => a - b)])) {
      this.seek(at);
      if (counted.at(-1)?.count !== this.apart.size) counted.push({ at, count: this.apart.size });
    }
    this.seek(0);
    return counted;
  }

  isLive(write) {
    return write !== null && this.recording.writes[write].value !== null ? 1 : 0;
  }

  put(hero, node, write) {
    this.live[node] += this.isLive(write) - this.isLive(this.held[hero][node]);
    this.held[hero][node] = write;
    this.compare(hero);
  }

  compare(hero) {
    if (this.differs(hero)) this.apart.add(hero);
    else this.apart.delete(hero);
  }

  /** Moves to another moment. */
  seek(at) {
    const { changes } = this.recording;
    this.at = at;
    const [answering, members] = [this.answeringAt(at), this.membersAt(at)];
    if (answering.join() !== this.answering.join() || members.join() !== this.members.join()) {
      [this.answering, this.members] = [answering, members];
      this.held.forEach((_, hero) => this.compare(hero));
    }
    for (; this.next < changes.length && changes[this.next].at <= at; this.next += 1) {
      const { hero, node, write } = changes[this.next];
      this.put(hero, node, write);
    }
    for (; this.next > 0 && changes[this.next - 1].at > at; this.next -= 1) {
      const { hero, node } = changes[this.next - 1];
      this.put(hero, node, this.replaced[this.next - 1]);
    }
  }


  /** Returns the faults in force. */
  faults() {
    return this.recording.faults.filter((fault) => lasts(fault, this.at));
  }

  /** Returns whether each node was observed at a moment. */
  membersAt(at) {
    const members = this.recording.nodes.map((_, node) => node === this.dispatch);
    for (const member of this.recording.members) if (lasts(member, at)) members[member.node] = true;
    return members;
  }

  /** Returns whether each node answered at a moment. */
  answeringAt(at) {
    const answers = this.recording.nodes.map(() => true);
    for (const silence of this.recording.silences) if (lasts(silence, at)) answers[silence.node] = false;
    return answers;
  }

  /** Returns the last events up to now, newest first. */
  events(count) {
    const { events } = this.recording;
    const end = upTo(events, (event) => event.at, this.at);
    return events.slice(Math.max(0, end - count), end).reverse();
  }

  /** Returns whether the cities that answer hold different writes of a hero. */
  differs(hero) {
    let first;
    const cells = this.held[hero];
    for (const node of this.cities) {
      if (!this.answering[node] || !this.members[node]) continue;
      if (first === undefined) first = cells[node];
      else if (cells[node] !== first) return true;
    }
    return false;
  }

  /** Returns the heroes to show, by name: those that differ or have changed since a moment, or those whose name contains a text. */
  shown(search, since) {
    const { heroes } = this.recording;
    const wanted = search.trim().toLocaleLowerCase();
    return this.byName.filter((hero) => {
      if (wanted) return heroes[hero].name.toLocaleLowerCase().includes(wanted);
      if (this.apart.has(hero)) return true;
      const times = this.changedAt[hero];
      const last = times[upTo(times, (at) => at, this.at) - 1];
      return last !== undefined && last > since;
    });
  }
}

function lasts({ began, ended }, at) {
  return began <= at && (ended === null || at < ended);
}

/** Returns the number of items up to a time, of a list that is ordered by it. */
export function upTo(list, time, at) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (time(list[middle]) <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}
