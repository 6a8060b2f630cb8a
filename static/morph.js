// Turns a panel into its next version in place, and knows what in it belongs to the person and not to the server.

// The one place where text becomes markup. It comes from our own templates, which escape every value.
const policy = globalThis.trustedTypes?.createPolicy('superhero', { createHTML: (html) => html })
  ?? { createHTML: (html) => html };

const callbacks = {
  // What was typed, what is disabled, and whether a region keeps quiet: all this is decided here, never by a frame.
  beforeAttributeUpdated(name, element) {
    if (name === 'value') return !(element instanceof HTMLInputElement) || element.type === 'hidden';
    return name !== 'disabled' && name !== 'aria-busy';
  },
  // The choices never change, and an open list has to stay open.
  beforeNodeMorphed: (node) => !(node instanceof HTMLSelectElement),
  // Why a command was refused stays until it is used again or dismissed.
  beforeNodeRemoved: (node) => !(node instanceof Element && node.matches('.refusal')),
};

/** Morphs the element `id` into `html`, one element with the same id. A panel this page does not have is skipped. */
export function morph(id, html) {
  const panel = document.getElementById(id);
  if (!panel) return;
  const template = document.createElement('template');
  template.innerHTML = policy.createHTML(html);
  const next = template.content.firstElementChild;
  if (next?.id !== id) throw new Error(`panel ${id} has no such root`);
  globalThis.Idiomorph.morph(panel, next, { callbacks });
}
