// Keys, one letter each, for those who have their hands on them. They press what is on the page anyway, and can be switched off.

const STORED = 'keys';
const press = (selector) => document.querySelector(selector)?.click();
const focus = (selector) => {
  const found = document.querySelector(selector);
  found?.focus();
  found?.scrollIntoView({ block: 'nearest' });
};

/** @param hold  () => void, holds the page or lets it go */
export function keys({ hold }) {
  const help = document.getElementById('help');
  const on = document.getElementById('keys-on');
  const bound = {
    ' ': hold,
    g: () => press(':is(#gossip-pause, #gossip-resume) button'),
    '.': () => press('#gossip-step button'),
    '/': () => focus('#find'),
    n: () => focus('#create-name'),
    b: () => focus('#destroy-city button'),
    h: () => press('#heal-all button'),
    '[': () => press('#heroes-foot [rel=prev]'),
    ']': () => press('#heroes-foot [rel=next]'),
    '?': () => help.showModal(),
  };
  for (const place of [1, 2, 3]) bound[place] = () => focus(`.cities > :nth-child(${place}) button`);

  try {
    on.checked = localStorage.getItem(STORED) !== 'off';
    on.addEventListener('change', () => localStorage.setItem(STORED, on.checked ? 'on' : 'off'));
  } catch {
    // Storage may be forbidden; the choice lasts as long as the page.
  }
  document.getElementById('help-open').addEventListener('click', () => help.showModal());

  document.addEventListener('keydown', (event) => {
    const action = bound[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    const isPlain = !(event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.defaultPrevented);
    if (!action || !isPlain || !on.checked || help.open) return;
    // Where a key means something of its own, it keeps that meaning.
    const { target } = event;
    if (target.closest('input, select, textarea, dialog')) return;
    if (event.key === ' ' && target.closest('button, a, summary, [tabindex]')) return;
    event.preventDefault();
    action();
  });
}
