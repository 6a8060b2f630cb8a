// Sends forms by fetch instead of leaving the page. The effect of a command is never predicted here: it arrives with the frames.
// Only a refusal is shown at once, next to the control that was used.

const TIMEOUT_MS = 5_000; // of one request
const REPEATS_MS = [100, 400, 1_000, 2_000]; // the pauses before a request is repeated
const commandForms = 'form[method=post]:not([data-leaves])';
const busy = new WeakSet();

/**
 * @param onNotice  (text) => void, called with the notice of a successful command
 * @param server    the addresses of the dispatches, see servers.js
 * @param run       () => the id of the run of dispatch that the page shows
 * @returns {{allow(allowed: boolean): void}} disables and enables all commands
 */
export function commands({ onNotice, run, server }) {
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
    const refusal = await post(server, action, body, onNotice, run);
    busy.delete(form);
    refresh(form);
    if (!('fields' in form.dataset)) for (const select of form.querySelectorAll('select')) select.selectedIndex = 0;
    if (refusal) {
      refuse(place, refusal);
      return;
    }
    if ('clears' in form.dataset) form.reset();
    form.dispatchEvent(new CustomEvent('executed', { bubbles: true }));
  }

  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (!form.matches(commandForms)) return;
    event.preventDefault();
    if (allowed && !busy.has(form)) send(form, event.submitter);
  });

  choosing((select) => select.form.requestSubmit());

  // A browser that goes back restores the lists by their place on the page, which may now be another hero's.
  addEventListener('pageshow', () => {
    for (const select of document.querySelectorAll(`${commandForms}:not([data-fields]) select`)) select.selectedIndex = 0;
  });

  return {
    allow(now) {
      if (now === allowed) return;
      allowed = now;
      document.querySelectorAll(commandForms).forEach(refresh);
    },
  };
}

/**
 * Posts a command. Resolves with the reason of a refusal, or with nothing.
 *
 * The key is made once per press. If the connection fails, the command may have been executed, so the same request is repeated with the
 * same key: dispatch then returns the first outcome, or executes the command if it has not arrived.
 */
async function post(server, action, body, onNotice, run) {
  // Another run of dispatch does not know the outcome. It refuses a key of this one.
  const key = `${run()}~${randomHex()}`;
  // To one dispatch only: another one does not know the key.
  const address = server.at(action);
  const request = { method: 'POST', body, credentials: server.credentials(), headers: { Accept: 'application/json', 'Idempotency-Key': key }, redirect: 'manual' };
  let isRepeated = false;
  for (const pause of [...REPEATS_MS, null]) {
    try {
      const response = await fetch(address, { ...request, signal: AbortSignal.timeout(TIMEOUT_MS) });
      // Throws if the answer is cut off.
      const answer = isJson(response) ? await response.json() : null;
      if (!isTransient(response, answer, isRepeated)) return outcome(response, answer, onNotice);
    } catch {
      // The connection failed, before or after the command was executed.
    }
    if (pause === null) break;
    await new Promise((resume) => setTimeout(resume, pause));
    isRepeated = true;
  }
  return 'The connection failed, so the outcome is not known. Look whether the command took effect before you repeat it.';
}

function randomHex() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// Dispatch refuses these before it looks at the key, so after a lost answer they say nothing about the command.
const BEFORE_KEY = ['overloaded', 'no_place', 'full', 'too_many_from_address', 'sign_in', 'viewer', 'joining'];

/** Returns whether to send the request again: the answer is a proxy's, or says nothing about a command whose first answer was lost. */
function isTransient(response, answer, isRepeated) {
  if (!answer) return [502, 503, 504].includes(response.status);
  return isRepeated && BEFORE_KEY.includes(answer.type);
}

function isJson(response) {
  return response.headers.get('content-type')?.includes('json') ?? false;
}

/** Returns the reason of a refusal; nothing after success. */
function outcome(response, answer, onNotice) {
  if (response.ok && answer?.done === true) {
    onNotice(answer.notice);
    return undefined;
  }
  if (response.status === 401) return 'You are signed out; nothing was changed. Sign in, then repeat the command.';
  const reason = answer?.detail ?? answer?.title;
  if (!response.ok && reason) return reason;
  if (response.type === 'opaqueredirect' || response.ok) {
    return 'The answer is not from dispatch; most likely a proxy asks for a sign-in. Reload the page, then repeat the command.';
  }
  return `Dispatch refused the command with status ${response.status}, without a reason.`;
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
