// Sends forms by fetch instead of leaving the page. The effect of a command is never predicted here: it arrives with the frames.
// Only a refusal is shown at once, next to the control that was used.

const TIMEOUT_MS = 10_000;
const commandForms = 'form[method=post]:not([data-leaves])';
const busy = new WeakSet();

/**
 * @param onNotice  (text) => void, called with the notice of a successful command
 * @returns {{allow(allowed: boolean): void}} disables and enables all commands
 */
export function commands({ onNotice }) {
  let allowed = true;
  let lastFocus = null; // a disabled control loses the focus; it is restored when the control is enabled

  function refresh(form) {
    if (form.contains(document.activeElement)) lastFocus = document.activeElement;
    const off = !allowed || busy.has(form);
    for (const control of form.elements) {
      // Typing sends nothing, so a text field is disabled only while its own form is being sent.
      control.disabled = control.matches('input') ? busy.has(form) : off;
    }
    if (!off && form.contains(lastFocus) && document.activeElement === document.body) lastFocus.focus();
  }

  async function send(form, submitter) {
    const action = form.getAttribute('action');
    const body = new URLSearchParams(new FormData(form, submitter));
    const place = form.closest('.act, .command');
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

/** Posts a command. Resolves with the reason of a refusal, or with nothing. */
async function post(action, body, onNotice) {
  let response;
  try {
    response = await fetch(action, {
      method: 'POST',
      body,
      headers: { Accept: 'application/json' },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (reason) {
    return reason.name === 'TimeoutError'
      ? `No answer within ${TIMEOUT_MS / 1000} s; the command may still take effect.`
      : 'Dispatch is unreachable; the command may not have been executed.';
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) onNotice(answer.notice);
  else return answer.detail ?? answer.title ?? `Dispatch refused the command with status ${response.status}, without a reason.`;
}

function refuse(place, reason) {
  const line = document.createElement('p');
  line.className = 'refusal';
  line.setAttribute('role', 'alert');
  const text = document.createElement('span');
  text.textContent = reason;
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
 * Calls back once a choice in the list of a command is final. After a click or a letter it is final at once. In a closed list the
 * arrow keys select every choice on the way, so there it is final on Enter or when the list loses the focus.
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
