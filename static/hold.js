// Two kinds of hold. The button holds the whole page while frames continue to arrive. Pointer or focus in the table holds the order of the
// rows, so that no row moves away while it is being used.

/**
 * Holds the page. Frames that arrive meanwhile are merged, so that no more than one page is waiting.
 *
 * @param button  the button that holds and releases the page
 * @param apply   (frame) => void
 * @returns {{toggle(): void, free(): void, take(frame): void}} `take` is called with each frame
 */
export function pageHold(button, apply) {
  const caption = button.textContent;
  let waiting = null;
  let changes = 0; // the number of changes that wait
  let counted; // the total in the newest frame
  let held = false;

  function toggle() {
    held = !held;
    button.setAttribute('aria-pressed', held);
    document.documentElement.toggleAttribute('data-held', held);
    if (!held && waiting) {
      const frame = waiting;
      waiting = null;
      show(frame);
    }
    label();
  }

  function label() {
    button.textContent = held ? `Release (${changes} waiting)` : caption;
  }

  function show(frame) {
    changes = 0;
    apply(frame);
  }

  button.addEventListener('click', toggle);

  return {
    toggle,
    /** Releases the page if it is held. */
    free() {
      if (held) toggle();
    },
    take(frame) {
      // A smaller total means that dispatch has restarted and counts from 0.
      changes += frame.changes - (frame.changes < counted ? 0 : counted ?? frame.changes);
      counted = frame.changes;
      if (!held) return show(frame);
      waiting = waiting ? merged(waiting, frame) : frame;
      label();
    },
  };
}

function merged(below, above) {
  const lists = { ...below.lists };
  for (const [id, { order, items }] of Object.entries(above.lists ?? {})) {
    const both = { order: order ?? lists[id]?.order, items: { ...lists[id]?.items, ...items } };
    if (both.order) for (const key of Object.keys(both.items)) if (!both.order.includes(key)) delete both.items[key];
    lists[id] = both;
  }
  const whole = below.whole || above.whole;
  return { ...above, whole, html: { ...below.html, ...above.html }, lists, news: [...(below.news ?? []), ...(above.news ?? [])] };
}

const REST_MS = 8000; // pointer or focus without activity for this long does not hold the order
const REMOVAL_DELAY_MS = 2000; // a removed row stays this long, so that no click hits the row that moves under the pointer

/**
 * Holds the order of the children of `list` while pointer or focus is active inside of it.
 *
 * @param onHold  (keys) => void, called when another order arrives while the list is in use; `keys` are the held children
 * @param onFree  () => void, called when the new order may be applied
 * @returns {{take(change, whole: boolean): change, release(): void, heldKeys(): string[]}} `take` returns the part of a change that may be
 *          applied at once; `whole` is true if the change contains the whole view. `release` is called when another list was requested, which
 *          is shown regardless of the pointer. `heldKeys` returns the held children, if any
 */
export function orderHold(list, onHold, onFree) {
  let lastActivity = 0;
  let held = false;
  let released = false; // true until the whole of the other list has arrived
  let partial = false; // true if changes of rows that are not held were dropped, until the whole has arrived
  let wanted = new Set(); // the children by the newest order
  let poll;

  const isBusy = () => Date.now() - lastActivity < REST_MS && (list.matches(':hover') || list.contains(document.activeElement));
  const keys = () => [...list.children].map((child) => child.id);

  function unhold() {
    clearInterval(poll);
    held = false;
  }

  // Polled while the order is held, because no event marks the end of activity.
  function free() {
    if (isBusy()) return;
    unhold();
    onFree();
  }
  for (const event of ['pointermove', 'pointerdown', 'keydown', 'focusin']) {
    list.addEventListener(event, () => { lastActivity = Date.now(); }, { passive: true });
  }

  function take(change, whole) {
    const isFree = released ? whole : !(held || (partial && !whole) || (change.order && isBusy()));
    if (isFree) {
      if (whole) released = partial = false;
      return change;
    }
    const now = keys();
    if (change.order && !released && (held || isBusy())) {
      wanted = new Set(change.order);
      for (const key of now) {
        if (!wanted.has(key)) setTimeout(() => held && !wanted.has(key) && document.getElementById(key)?.remove(), REMOVAL_DELAY_MS);
      }
      if (change.order.length === now.length && change.order.every((key, place) => key === now[place])) return change;
      if (!held) {
        held = true;
        poll = setInterval(free, 250);
        onHold(now);
      }
    }
    // Only the rows that are present; the request made in onHold returns the others.
    partial = true;
    return { items: Object.fromEntries(Object.entries(change.items ?? {}).filter(([key]) => now.includes(key))) };
  }

  return {
    take,
    release() {
      unhold();
      released = true;
    },
    heldKeys: () => (held ? keys() : []),
  };
}
