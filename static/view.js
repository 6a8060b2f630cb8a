// Search, filters, pages and explanations without a reload: the address changes, and the socket delivers what the new address shows.
// Without contact, the browser follows the link as usual.

const TYPING_MS = 200;

const input = () => document.getElementById('find');

/**
 * @param canFollow  () => boolean, whether frames arrive
 * @param onMove     () => void, after the address has changed
 * @returns {{explained(): void}}
 */
export function view({ canFollow, onMove }) {
  let awaited = null; // the link to an explanation that has not arrived yet
  let opener = null; // the link to the one that is shown
  let typed;

  const explains = (link) => link.matches('.state a, .explains');

  /** Returns the address of an explanation beside the rows that are shown. */
  function beside(link) {
    const here = new URL(location.href);
    here.searchParams.delete('table');
    here.searchParams.set('hero', new URL(link.href).searchParams.get('hero'));
    return here.href;
  }

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
    const href = explains(link) ? beside(link) : link.href;
    if (explains(link) && href !== location.href) awaited = link;
    // After a change of page, reading starts at the heading.
    move(href, link.rel ? document.getElementById('table-title') : null);
    if (link.id === 'inspector-close' && opener?.isConnected) opener.focus();
  });


  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (!form.matches('form[data-view]') || !canFollow()) return;
    event.preventDefault();
    clearTimeout(typed);
    const query = new URLSearchParams(new FormData(form));
    if (!query.get('q')) query.delete('q');
    // The explanation stays open.
    const hero = new URLSearchParams(location.search).get('hero');
    if (hero) query.set('hero', hero);
    const href = `${form.getAttribute('action')}?${query}`;
    // One entry of the browser's history for a search, not one for each letter.
    if (new URLSearchParams(location.search).get('q') && query.get('q')) {
      history.replaceState(null, '', href);
      onMove();
    } else move(href);
  });

  // The rows follow the text, a moment after the last key.
  document.addEventListener('input', ({ target }) => {
    if (target !== input()) return;
    clearTimeout(typed);
    typed = setTimeout(() => {
      if (canFollow()) target.form.requestSubmit();
    }, target.value === '' ? 0 : TYPING_MS);
  });

  addEventListener('popstate', () => {
    input().value = new URLSearchParams(location.search).get('q') ?? '';
    onMove();
  });

  return {
    /** Called when an explanation has arrived: reading continues in it. */
    explained() {
      if (!awaited) return;
      [opener, awaited] = [awaited, null];
      document.getElementById('inspector-title').focus();
    },
  };
}
