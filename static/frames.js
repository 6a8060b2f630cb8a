// Lets the rounds that have just ended travel over the map, while gossip is paused or slow: the question to the source, and the answer back.

const FLIGHT_MS = 1600;
const KNOWN_MAX = 200;

/** @param card  the element that contains the map, which frames replace */
export function frames(card) {
  const known = new Set();
  const fly = () => {
    for (const frame of card.querySelectorAll('.frame')) {
      if (known.has(frame.id)) continue;
      known.add(frame.id);
      if (known.size > KNOWN_MAX) known.delete(known.values().next().value);
      if (!matchMedia('(prefers-reduced-motion: reduce)').matches) travel(frame);
    }
  };
  fly();
  new MutationObserver(fly).observe(card, { childList: true, subtree: true });
}

function travel(frame) {
  const place = (text) => {
    const [x, y] = text.trim().split(/[\s,]+/);
    return `translate(${x}px, ${y}px)`;
  };
  const [puller, source] = [place(frame.dataset.puller), place(frame.dataset.source)];
  frame.animate(
    [
      { transform: `${puller} scale(.5)`, opacity: 1 },
      { transform: `${source} scale(.5)`, opacity: 1, offset: 0.35 },
      { transform: source, opacity: 1, offset: 0.36 },
      { transform: puller, opacity: 1, offset: 0.95 },
      { transform: puller, opacity: 0 },
    ],
    { duration: FLIGHT_MS, easing: 'linear' },
  );
}
