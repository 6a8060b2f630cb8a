// Limits how often a live region is announced while its numbers change.

const PAUSE_MS = 5000;
let lastText = document.querySelector('#verdict [aria-live]')?.textContent;
let pausing = false;

/** Call it after each change of `region`: the first change is announced at once, later ones after a pause. */
export function spaced(region) {
  if (!region || pausing || region.textContent === lastText) return;
  lastText = region.textContent;
  pausing = true;
  // Not at once: a busy region is not announced, and the change itself must be.
  setTimeout(() => region.setAttribute('aria-busy', 'true'), 100);
  setTimeout(() => {
    pausing = false;
    region.removeAttribute('aria-busy');
    spaced(region);
  }, PAUSE_MS);
}
