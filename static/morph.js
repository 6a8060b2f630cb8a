// Updates pieces of the page in place, and preserves the state that belongs to the user and not to the server.

// The only conversion of text to markup. The text comes from the templates of dispatch, which escape every value.
const policy = globalThis.trustedTypes?.createPolicy('superhero', { createHTML: (html) => html })
  ?? { createHTML: (html) => html };

const callbacks = {
  // Typed text, disabled controls, open details and busy regions are state of this page; a frame never changes them.
  beforeAttributeUpdated(name, element) {
    if (name === 'value') return !(element instanceof HTMLInputElement) || element.type === 'hidden';
    if (name === 'open') return !(element instanceof HTMLDetailsElement);
    return name !== 'disabled' && name !== 'aria-busy';
  },
  beforeNodeMorphed(node, next) {
    // Words that are reused in another line would jump; new words appear where they belong.
    if (node.id === 'verdict-now' && node.textContent !== next.textContent) {
      node.replaceChildren(...next.cloneNode(true).childNodes);
      node.dataset.past = next.dataset.past;
      return false;
    }
    // A morph would close an open list, so only new options replace the old ones.
    if (!(node instanceof HTMLSelectElement)) return true;
    const values = (list) => [...list.options].map((option) => option.value).join('\n');
    if (next instanceof HTMLSelectElement && values(node) !== values(next)) {
      const chosen = node.value;
      node.replaceChildren(...next.cloneNode(true).childNodes);
      if ([...node.options].some((option) => option.value === chosen)) node.value = chosen;
    }
    return false;
  },
  // The reason of a refusal stays until the command is used again or the reason is dismissed.
  beforeNodeRemoved: (node) => !(node instanceof Element && node.matches('.refusal')),
};

/** Parses the markup of a template into nodes. */
export function parsed(html) {
  const template = document.createElement('template');
  template.innerHTML = policy.createHTML(html);
  return template.content;
}

/** Parses markup into its one element, for insertion into `parent`. */
function element(html, parent) {
  const isPicture = parent instanceof SVGElement;
  const top = parsed(isPicture ? `<svg>${html}</svg>` : html).firstElementChild;
  return isPicture ? top.firstElementChild : top;
}

/** Morphs the element `id` into `html`, one element with the same id. An id that this page does not contain is skipped. */
export function morph(id, html) {
  const panel = document.getElementById(id);
  if (!panel) return;
  const next = element(html, panel.parentElement);
  if (next?.id !== id) throw new Error(`the markup of panel ${id} has another root`);
  globalThis.Idiomorph.morph(panel, next, { callbacks });
}

/** Updates the children of the element `id`: changed items, removals, and their order. */
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
  // Moves only misplaced children: moving a row would close an open list in it.
  let place = list.firstElementChild;
  for (const key of order) {
    if (place?.id === key) place = place.nextElementSibling;
    else {
      const child = document.getElementById(key);
      if (!child) throw new Error(`item ${key} of ${id} is missing`);
      list.insertBefore(child, place);
    }
  }
}
