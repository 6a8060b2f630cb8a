// Shows whether the page is in contact with dispatch. Without contact, it marks the page as a past state.

const root = document.documentElement;

/** Returns a function that takes each state that live.js reports. */
export function contact({ onRetry }) {
  const status = document.getElementById('contact');
  const banner = document.getElementById('lost');
  const what = document.getElementById('lost-what');
  const next = document.getElementById('lost-next');
  let countdown;
  let title; // the title before contact was lost
  let shown;

  document.getElementById('lost-retry').addEventListener('click', onRetry);
  status.textContent = 'Connecting';

  // Replaces the verdict by its past tense while there is no contact: the present state is unknown.
  function showPast(since) {
    const now = document.getElementById('verdict-now');
    const then = document.getElementById('verdict-then');
    then.textContent = since ? `At ${clock(since)}: ${now.dataset.past}` : '';
    then.hidden = !since;
    now.hidden = Boolean(since);
    if (since) title ??= document.title;
    if (since || title) document.title = since ? `Lost contact · ${then.textContent}` : title;
    if (!since) title = undefined;
  }

  return (state) => {
    clearInterval(countdown);
    const isLost = state.name !== 'live';
    const key = `${state.name} ${state.why ?? state.polling ?? ''} ${state.elsewhere ?? ''}`;
    if (shown !== key) {
      shown = key;
      root.dataset.contact = isLost ? 'lost' : 'live';
      const where = state.elsewhere ? ` at ${state.elsewhere}` : '';
      status.textContent = isLost ? 'Lost contact' : `${state.polling ? 'Polling' : 'Live'}${where}`;
      status.title = state.polling ?? '';
      banner.hidden = !isLost;
      what.textContent = isLost ? sentence(state) : '';
      next.replaceChildren();
      showPast(isLost && state.since);
    }
    if (!isLost) return;
    if (state.name === 'refused') {
      if (state.signIn && !next.firstChild) next.append(signInLink());
      return;
    }
    // Outside of the alert, so that the countdown is not announced each second.
    const count = () => {
      const seconds = state.retryAt === null ? 0 : Math.ceil((state.retryAt - Date.now()) / 1000);
      next.textContent = seconds > 0 ? `Reconnecting in ${seconds} s.` : 'Reconnecting.';
    };
    count();
    countdown = setInterval(count, 250);
  };
}

function sentence({ name, since, why }) {
  const then = `The page shows the state at ${clock(since)}.`;
  return name === 'refused' ? `${why} ${then}` : `Lost contact with dispatch at ${clock(since)}. The page shows the state at that time.`;
}

function signInLink() {
  const link = document.createElement('a');
  link.href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = 'Sign in';
  return link;
}

// The time zone of the whole page, so that times can be compared.
function clock(date) {
  return `${date.toISOString().slice(11, 19)} UTC`;
}
