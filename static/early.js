// Runs before the first paint, so that neither the theme nor the controls for browsers without JavaScript flash.
// A classic script: modules run too late for this.
document.documentElement.classList.add('js');
try {
  const theme = localStorage.getItem('theme');
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; the system's theme it is.
}
