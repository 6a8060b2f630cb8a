// Search, chips and pages without a reload: the address changes, and a socket to the new address brings the new rows.
// Where that is not possible the browser follows the link as it always does.

const input = () => document.getElementById('find');

/**
 * @param canFollow  () => boolean, whether frames arrive
 * @param onMove     () => void, after the address has changed
 */
export function view({ canFollow, onMove }) {
  function move(href, focus) {
    history.pushState(null, '', href);
    onMove();
    focus?.focus();
  }

  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[href="/"], a[href^="/?"]');
    const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (!link || !isPlain || event.defaultPrevented || !canFollow()) return;
    event.preventDefault();
    // A page is read from its top.
    move(link.href, link.rel ? document.getElementById('heroes-title') : null);
  });

  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (!form.matches('form[data-view]') || !canFollow()) return;
    event.preventDefault();
    const asked = new URLSearchParams(new FormData(form));
    if (!asked.get('q')) asked.delete('q');
    move(`${form.getAttribute('action')}?${asked}`);
  });

  // The cross in the field empties it, and means it.
  document.addEventListener('search', ({ target }) => {
    if (target === input() && target.value === '' && canFollow()) target.form.requestSubmit();
  }, true);

  addEventListener('popstate', () => {
    input().value = new URLSearchParams(location.search).get('q') ?? '';
    onMove();
  });
}
