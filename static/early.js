// Runs before the first paint, so that neither the wrong theme nor the controls for browsers without JavaScript appear briefly.
// A classic script, because modules run after the first paint.
document.documentElement.classList.add('js');
try {
  const theme = localStorage.getItem('theme');
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; then the theme of the system applies.
}
