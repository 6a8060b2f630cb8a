// Sends forms by fetch instead of leaving the page. What a command changed is never guessed here: it comes with the frames.
// Only a refusal is shown at once, beside the control that was used.

const PATIENCE_MS = 10_000;
const commandForms = 'form[method=post]:not([data-leaves])';
const busy = new WeakSet();

/**
 * @param onNotice  (text) => void, with what a successful command has to say
 * @returns {{allow(allowed: boolean): void}} switches all commands off and on again
 */
export function commands({ onNotice }) {
  let allowed = true;
  let lastFocus = null; // a control that is switched off loses the focus, and gets it back

  function refresh(form) {
    if (form.contains(document.activeElement)) lastFocus = document.activeElement;
    const off = !allowed || busy.has(form);
    for (const control of form.elements) {
      // Typing is not commanding: a field is off only while its own text is on the way.
      control.disabled = control.matches('input') ? busy.has(form) : off;
    }
    if (!off && form.contains(lastFocus) && document.activeElement === document.body) lastFocus.focus();
  }

  async function send(form, submitter) {
    const action = form.getAttribute('action');
    const body = new URLSearchParams(new FormData(form, submitter));
    const place = form.closest('.act, .beside');
    place.querySelectorAll('.refusal').forEach((old) => old.remove());
    busy.add(form);
    refresh(form);
    const refusal = await post(action, body, onNotice);
    busy.delete(form);
    refresh(form);
    if (!('fields' in form.dataset)) for (const select of form.querySelectorAll('select')) select.selectedIndex = 0;
    if (refusal) refuse(place, refusal);
    else if ('clears' in form.dataset) form.reset();
  }

  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (!form.matches(commandForms)) return;
    event.preventDefault();
    if (allowed && !busy.has(form)) send(form, event.submitter);
  });

  choosing((select) => select.form.requestSubmit());

  return {
    allow(now) {
      if (now === allowed) return;
      allowed = now;
      document.querySelectorAll(commandForms).forEach(refresh);
    },
  };
}

/** Posts a command. Resolves with why it was refused, or with nothing. */
async function post(action, body, onNotice) {
  let response;
  try {
    response = await fetch(action, {
      method: 'POST',
      body,
      headers: { Accept: 'application/json' },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch (reason) {
    return reason.name === 'TimeoutError'
      ? `No answer within ${PATIENCE_MS / 1000} s; the command may still take effect.`
      : 'Dispatch does not answer; nothing was sent.';
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) onNotice(answer.notice);
  else return answer.detail ?? answer.title ?? `Dispatch refused with ${response.status} and did not say why.`;
}

function refuse(place, why) {
  const line = document.createElement('p');
  line.className = 'refusal';
  line.setAttribute('role', 'alert');
  const text = document.createElement('span');
  text.textContent = why;
  const dismiss = document.createElement('button');
  dismiss.type = 'button';
  dismiss.className = 'dismiss';
  dismiss.setAttribute('aria-label', 'Dismiss');
  dismiss.textContent = '×';
  dismiss.addEventListener('click', () => line.remove());
  line.append(text, dismiss);
  place.append(line);
}

/**
 * Calls back once a choice in a command's list is meant. A click, or a letter, means it at once; but in a closed list the
 * arrow keys pass through every choice on the way, so there it takes Enter or leaving the list.
 */
function choosing(onChosen) {
  const stepping = new Set(['ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowRight', 'Home', 'End', 'PageUp', 'PageDown']);
  const pending = new WeakSet();
  let steps = false;

  // A form with several fields is sent by its button.
  const isList = (element) => element instanceof HTMLSelectElement && element.form?.matches(`${commandForms}:not([data-fields])`);
  const settle = (select) => {
    if (pending.delete(select)) onChosen(select);
  };

  document.addEventListener('keydown', (event) => {
    steps = stepping.has(event.key) && !event.altKey;
    if (event.key === 'Enter' && pending.has(event.target)) {
      event.preventDefault();
      settle(event.target);
    }
  });
  document.addEventListener('pointerdown', () => { steps = false; });
  document.addEventListener('change', ({ target }) => {
    if (!isList(target)) return;
    pending.add(target);
    if (!steps) settle(target);
  });
  document.addEventListener('focusout', ({ target }) => settle(target));
}
