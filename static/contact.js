// Says whether the page is in contact with dispatch, and when it is not, that everything on it is past.

const root = document.documentElement;

/** Returns a function that takes the state live.js reports. */
export function contact({ onRetry }) {
  const status = document.getElementById('contact');
  const banner = document.getElementById('lost');
  const what = document.getElementById('lost-what');
  const next = document.getElementById('lost-next');
  let countdown;
  let title; // as it was while there was contact

  document.getElementById('lost-retry').addEventListener('click', onRetry);
  status.textContent = 'Connecting';

  // What the page says was the case then; whether it is now, nobody here knows.
  function tell(since) {
    const now = document.getElementById('verdict-now');
    const then = document.getElementById('verdict-then');
    then.textContent = since ? `At ${clock(since)}: ${now.dataset.past}` : '';
    then.hidden = !since;
    now.hidden = Boolean(since);
    if (since) title = document.title;
    if (since || title) document.title = since ? `Lost contact · ${then.textContent}` : title;
    if (!since) title = undefined;
  }

  return (state) => {
    clearInterval(countdown);
    const isLost = state.name === 'lost';
    if (root.dataset.contact !== state.name) {
      root.dataset.contact = state.name;
      status.textContent = isLost ? 'Lost contact' : 'Live';
      banner.hidden = !isLost;
      what.textContent = isLost
        ? `Lost contact with dispatch at ${clock(state.since)}. What you see is what was known then.`
        : '';
      tell(isLost && state.since);
    }
    if (!isLost) return;
    // Outside of the alert: counting down aloud would drown everything else.
    const count = () => {
      const seconds = state.retryAt === null ? 0 : Math.ceil((state.retryAt - Date.now()) / 1000);
      next.textContent = seconds > 0 ? `Trying again in ${seconds} s.` : 'Trying now.';
    };
    count();
    countdown = setInterval(count, 250);
  };
}

function clock(date) {
  return date.toLocaleTimeString('en-GB');
}
