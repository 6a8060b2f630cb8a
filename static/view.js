// Search, filters and pages without a reload: the address changes, and the socket delivers the rows of the new address.
// Without contact, the browser follows the link as usual.

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
    if (!link || !isPlain || event.defaultPrevented || 'leaves' in link.dataset || !canFollow()) return;
    event.preventDefault();
    // After a change of page, reading starts at the heading.
    move(link.href, link.rel ? document.getElementById('table-title') : null);
  });

  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (!form.matches('form[data-view]') || !canFollow()) return;
    event.preventDefault();
    const query = new URLSearchParams(new FormData(form));
    if (!query.get('q')) query.delete('q');
    move(`${form.getAttribute('action')}?${query}`);
  });

  // The clear button of the search field submits the empty search at once.
  document.addEventListener('search', ({ target }) => {
    if (target === input() && target.value === '' && canFollow()) target.form.requestSubmit();
  }, true);

  addEventListener('popstate', () => {
    input().value = new URLSearchParams(location.search).get('q') ?? '';
    onMove();
  });
}
