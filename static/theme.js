// The switch between light, dark and the theme of the system. early.js applies the choice when the page is loaded.

const root = document.documentElement;

export function themeSwitch(fieldset) {
  const chosen = root.dataset.theme ?? 'system';
  for (const radio of fieldset.elements) radio.checked = radio.value === chosen;

  fieldset.addEventListener('change', ({ target }) => {
    if (target.value === 'system') delete root.dataset.theme;
    else root.dataset.theme = target.value;
    try {
      if (target.value === 'system') localStorage.removeItem('theme');
      else localStorage.setItem('theme', target.value);
    } catch {
      // Storage may be forbidden; then the choice lasts as long as the page.
    }
  });
}
