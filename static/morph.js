// Turns pieces of the page into their next version in place, and knows what in them belongs to the person and not to the server.

// The one place where text becomes markup. It comes from our own templates, which escape every value.
const policy = globalThis.trustedTypes?.createPolicy('superhero', { createHTML: (html) => html })
  ?? { createHTML: (html) => html };

const callbacks = {
  // What was typed, what is disabled, what is unfolded, and whether a region keeps quiet: all this is decided here, never by a frame.
  beforeAttributeUpdated(name, element) {
    if (name === 'value') return !(element instanceof HTMLInputElement) || element.type === 'hidden';
    if (name === 'open') return !(element instanceof HTMLDetailsElement);
    return name !== 'disabled' && name !== 'aria-busy';
  },
  // The choices never change, and an open list has to stay open.
  beforeNodeMorphed: (node) => !(node instanceof HTMLSelectElement),
  // Why a command was refused stays until it is used again or dismissed.
  beforeNodeRemoved: (node) => !(node instanceof Element && node.matches('.refusal')),
};

/** The markup of one of our own templates, as nodes. */
export function parsed(html) {
  const template = document.createElement('template');
  template.innerHTML = policy.createHTML(html);
  return template.content;
}

/** The element that this markup is, to stand inside of `parent`. */
function element(html, parent) {
  const isPicture = parent instanceof SVGElement;
  const top = parsed(isPicture ? `<svg>${html}</svg>` : html).firstElementChild;
  return isPicture ? top.firstElementChild : top;
}

/** Morphs the element `id` into `html`, one element with the same id. A panel this page does not have is skipped. */
export function morph(id, html) {
  const panel = document.getElementById(id);
  if (!panel) return;
  const next = element(html, panel.parentElement);
  if (next?.id !== id) throw new Error(`panel ${id} has no such root`);
  globalThis.Idiomorph.morph(panel, next, { callbacks });
}

/** Brings the children of the element `id` up to date: those that changed, which there are, and in which order. */
export function arrange(id, { order, items = {} }) {
  const list = document.getElementById(id);
  if (!list) return;
  const kept = order && new Set(order);
  if (kept) for (const child of [...list.children]) if (!kept.has(child.id)) child.remove();
  for (const [key, html] of Object.entries(items)) {
    if (document.getElementById(key)) morph(key, html);
    else if (!kept || kept.has(key)) list.append(element(html, list));
  }
  if (!order) return;
  // Moves only what stands in the wrong place, so that an open list in a row that stays is not disturbed.
  let place = list.firstElementChild;
  for (const key of order) {
    if (place?.id === key) place = place.nextElementSibling;
    else {
      const child = document.getElementById(key);
      if (!child) throw new Error(`item ${key} of ${id} never came`);
      list.insertBefore(child, place);
    }
  }
}
