// Holding still what moves. Two things can be held: the whole page, by its button, while news goes on arriving; and the order of the rows, by
// being in the table with pointer or focus, so that no row slips away under a finger.

/**
 * Holds the page. Frames that come meanwhile are laid over each other, so that what waits is never more than one page.
 *
 * @param button  the button that holds and lets go
 * @param apply   (frame) => void
 * @returns {(frame) => void} takes each frame
 */
export function pageHold(button, apply) {
  const words = button.textContent;
  let waiting = null;
  let changes = 0; // how many wait
  let counted; // how many dispatch had counted by the newest frame
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
    button.textContent = held ? `${words}: ${changes} ${changes === 1 ? 'change' : 'changes'} waiting` : words;
  }

  function show(frame) {
    changes = 0;
    apply(frame);
  }

  button.addEventListener('click', toggle);

  return {
    toggle,
    /** Lets go, if it is held. */
    free() {
      if (held) toggle();
    },
    take(frame) {
      // Dispatch that has begun anew counts anew.
      changes += frame.changes - (frame.changes < counted ? 0 : counted ?? frame.changes);
      counted = frame.changes;
      if (!held) return show(frame);
      waiting = waiting ? laidOver(waiting, frame) : frame;
      label();
    },
  };
}

function laidOver(below, above) {
  const lists = { ...below.lists };
  for (const [id, { order, items }] of Object.entries(above.lists ?? {})) {
    const both = { order: order ?? lists[id]?.order, items: { ...lists[id]?.items, ...items } };
    if (both.order) for (const key of Object.keys(both.items)) if (!both.order.includes(key)) delete both.items[key];
    lists[id] = both;
  }
  const whole = below.whole || above.whole;
  return { ...above, whole, html: { ...below.html, ...above.html }, lists, news: [...(below.news ?? []), ...(above.news ?? [])] };
}

const REST_MS = 8000; // pointer or focus that has not stirred for so long is not in the way any more
const GONE_MS = 2000; // what is gone stays for so long: nobody shall hit what slid under the pointer

/**
 * Holds the order of the children of `list` while somebody is busy inside of it.
 *
 * @param onHold  (keys) => void, when another order came: these are the children that stand still
 * @param onFree  () => void, when it may be brought about after all
 * @returns {{take(change, whole: boolean): change, release(): void, standing(): string[]}} `take` says what of a change of the list is to be
 *          carried out now, where `whole` is whether it is all of a view; `release` is to be called when another list was asked for, which
 *          is shown wherever the pointer is; `standing` are the children that stand still, if any
 */
export function orderHold(list, onHold, onFree) {
  let stirred = 0;
  let held = false;
  let released = false; // until the whole of the other list is here
  let partial = false; // whether news of rows that do not stand was dropped, until the whole is here
  let wanted = new Set(); // what is in the list by the newest order
  let look;

  const isBusy = () => Date.now() - stirred < REST_MS && (list.matches(':hover') || list.contains(document.activeElement));
  const keys = () => [...list.children].map((child) => child.id);

  function letGo() {
    clearInterval(look);
    held = false;
  }

  // Looked at while something is held only.
  function free() {
    if (isBusy()) return;
    letGo();
    onFree();
  }
  for (const event of ['pointermove', 'pointerdown', 'keydown', 'focusin']) {
    list.addEventListener(event, () => { stirred = Date.now(); }, { passive: true });
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
        if (!wanted.has(key)) setTimeout(() => held && !wanted.has(key) && document.getElementById(key)?.remove(), GONE_MS);
      }
      if (change.order.length === now.length && change.order.every((key, place) => key === now[place])) return change;
      if (!held) {
        held = true;
        look = setInterval(free, 250);
        onHold(now);
      }
    }
    // Only what stands here already; what is asked for now brings the news of the rest.
    partial = true;
    return { items: Object.fromEntries(Object.entries(change.items ?? {}).filter(([key]) => now.includes(key))) };
  }

  return {
    take,
    release() {
      letGo();
      released = true;
    },
    standing: () => (held ? keys() : []),
  };
}
