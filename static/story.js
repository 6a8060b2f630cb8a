// Keeps the running step of a scenario in sight, if it was started on this page.

/** @param card  the element that contains the steps, which frames replace */
export function story(card) {
  let isOurs = false;
  let shown = null; // the number of the step that was last scrolled to

  const follow = () => {
    const playing = card.querySelector('.playing');
    if (!isOurs || !playing) return;
    const steps = [...playing.querySelectorAll('li')];
    const step = steps.findIndex((item) => item.matches('.running, :has(#scenario-continue)'));
    const item = steps[step] ?? playing.querySelector('.conclusion');
    if (!item || shown === step) return;
    shown = step;
    item.scrollIntoView({ block: 'nearest' });
    if (step < 0) isOurs = false; // it has ended
  };

  document.addEventListener('executed', ({ target }) => {
    if (target.id !== 'scenarios') return;
    [isOurs, shown] = [true, null];
    follow();
  });
  new MutationObserver(follow).observe(card, { childList: true, subtree: true, attributes: true, attributeFilter: ['class'] });
}
