// Keyboard shortcuts of one character. They operate the controls of the page, and can be disabled.

import { parsed } from './morph.js';

const STORED = 'keys';
const press = (selector) => document.querySelector(selector)?.click();
const focus = (selector) => {
  const found = document.querySelector(selector);
  found?.focus();
  found?.scrollIntoView({ block: 'nearest' });
};

/** @param hold  () => void, holds or releases the page */
export function keys({ hold }) {
  const help = document.getElementById('help');
  let on = stored() !== 'off';

  // The help is a page of its own, for browsers without JavaScript; here its text is shown in a dialog.
  async function showHelp() {
    if (!help.firstChild) {
      const page = await fetch('/help').then((answer) => answer.text()).catch(() => '');
      const text = parsed(page).querySelector('#help-text');
      if (!text) return;
      help.append(button('Close', () => help.close()), ...text.childNodes);
      // Before the glossary, which is long.
      help.querySelector('#glossary').before(switching());
    }
    help.showModal();
  }

  function switching() {
    const label = document.createElement('label');
    label.className = 'keys-on';
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.checked = on;
    box.addEventListener('change', () => {
      on = box.checked;
      stored(on ? 'on' : 'off');
    });
    label.append(box, ' Keyboard shortcuts are on');
    return label;
  }

  const bound = {
    ' ': hold,
    g: () => press(':is(#gossip-pause, #gossip-resume) button'),
    '.': () => press('#gossip-step button'),
    '/': () => focus('#find'),
    n: () => focus('#create-name'),
    b: () => focus('#destroy-city button'),
    h: () => press('#heal-all button'),
    '[': () => press('#table-foot [rel=prev]'),
    ']': () => press('#table-foot [rel=next]'),
    '?': showHelp,
  };
  for (const place of [1, 2, 3]) bound[place] = () => focus(`.cities > :nth-child(${place}) button`);

  document.addEventListener('keydown', (event) => {
    // Escape closes the explanation, unless it closes or clears something else.
    if (event.key === 'Escape' && !event.defaultPrevented && !help.open && !event.target.closest('input, select, dialog')) press('#inspector:not([hidden]) #inspector-close');
  });

  document.getElementById('help-open').addEventListener('click', (event) => {
    event.preventDefault();
    showHelp();
  });

  document.addEventListener('keydown', (event) => {
    const action = bound[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || !isTyped(event) || event.repeat || event.defaultPrevented || !on || help.open) return;
    // In these elements the key keeps its usual meaning.
    const { target } = event;
    if (target.closest('input, select, textarea, dialog')) return;
    if (event.key === ' ' && target.closest('button, a, summary, [tabindex="0"]')) return;
    event.preventDefault();
    action();
  });
}

/**
 * Returns whether the key types a character. On many keyboards `[` and `/` need AltGr, which Windows reports as Ctrl and Alt, or Option,
 * which macOS reports as Alt.
 */
function isTyped(event) {
  if (event.metaKey) return false;
  if (event.getModifierState('AltGraph')) return true;
  const isOption = event.altKey && !event.ctrlKey && /Mac|iP(hone|ad)/.test(navigator.platform) && !/[a-z0-9 ]/i.test(event.key);
  return isOption || !(event.ctrlKey || event.altKey);
}

/** Stores a choice, if one is given. Returns the stored choice. */
function stored(choice) {
  try {
    if (choice) localStorage.setItem(STORED, choice);
    return localStorage.getItem(STORED);
  } catch {
    return choice; // storage may be forbidden; the choice lasts as long as the page
  }
}

function button(text, onClick) {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = 'small';
  made.textContent = text;
  made.addEventListener('click', onClick);
  return made;
}
