// Keeps a live region from talking without pause while numbers run.

const PAUSE_MS = 5000;
let lastText = document.querySelector('#verdict [aria-live]')?.textContent;
let pausing = false;

/** To be called after each change of `region`: one change is announced at once, the following ones after a pause. */
export function spaced(region) {
  if (!region || pausing || region.textContent === lastText) return;
  lastText = region.textContent;
  pausing = true;
  // One frame later: the change itself has to be heard before the region goes quiet.
  setTimeout(() => region.setAttribute('aria-busy', 'true'), 100);
  setTimeout(() => {
    pausing = false;
    region.removeAttribute('aria-busy');
    spaced(region);
  }, PAUSE_MS);
}
