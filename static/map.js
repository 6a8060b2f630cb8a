// Acting on the map, and on its table: a city or a link opens the commands that fit it. Without a script, the form of the faults does the
// same.

const SECONDS = 30; // after which the faults heal

/** @param dialog  an empty dialog element */
export function map(dialog) {
  document.addEventListener('click', (event) => {
    const handle = event.target.closest('.handle');
    const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (!handle || !isPlain || document.body.dataset.role === 'viewer') return;
    event.preventDefault();
    open(handle.dataset.a, handle.dataset.b);
  });

  // The effect is seen on the map. A refused command keeps the dialog open, with the reason.
  dialog.addEventListener('executed', () => dialog.close());
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });

  function open(a, b) {
    const heading = document.createElement('h2');
    heading.id = 'act-title';
    heading.textContent = b ? `Link between ${title(a)} and ${title(b)}` : title(a);
    const place = document.createElement('div');
    place.className = 'command';
    place.append(...(b ? ofLink(a, b) : ofCity(a)));
    const close = document.createElement('form');
    close.method = 'dialog';
    close.append(button('Close'));
    dialog.replaceChildren(heading, place, close);
    dialog.showModal();
  }
}

function ofLink(a, b) {
  const fault = (label, kind, size) => form(label, '/faults', { kind, size, from: a, to: b, both: 'true', heal_after_s: SECONDS });
  const exchange = (from, to) => form(`${title(to)} pulls from ${title(from)}`, '/gossip/step', { from, to });
  return [fault(`Cut for ${SECONDS} s`, 'cut'), fault(`Delay by 1 s for ${SECONDS} s`, 'delay', 1000), fault(`Drop half for ${SECONDS} s`, 'loss', 50), exchange(b, a), exchange(a, b)];
}

function ofCity(city) {
  if (city === 'dispatch') return [];
  const fault = (label, kind, more) => form(label, '/faults', { kind, from: city, heal_after_s: SECONDS, ...more });
  return [
    form(`Bomb ${title(city)}`, `/cities/${city}/bomb`, {}, 'danger'),
    fault(`Cut off for ${SECONDS} s`, 'cut', { to: '*', both: 'true' }),
    fault('Freeze for 10 s', 'freeze', { heal_after_s: 10 }),
    fault(`Clock 1.5 s behind for ${SECONDS} s`, 'skew', { size: -1500 }),
  ];
}

function form(label, action, fields, kind) {
  const made = document.createElement('form');
  made.method = 'post';
  made.setAttribute('action', action);
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const field = document.createElement('input');
    Object.assign(field, { type: 'hidden', name, value });
    made.append(field);
  }
  made.append(button(label, kind));
  return made;
}

function button(label, kind = '') {
  const made = document.createElement('button');
  made.textContent = label;
  made.className = kind;
  return made;
}

const title = (name) => name.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(' ');
