// Fetches the charts anew every two seconds, while the page is in sight.

import { morph } from './morph.js';

const EVERY_MS = 2000;

setInterval(async () => {
  if (document.hidden) return;
  const answer = await fetch(location.href).catch(() => null); // the next attempt follows in two seconds
  if (!answer?.ok) return;
  const text = await answer.text();
  const [begin, end] = [text.indexOf('<div class="charts"'), text.lastIndexOf('</div>')];
  if (begin >= 0) morph('charts', text.slice(begin, end + '</div>'.length));
}, EVERY_MS);
