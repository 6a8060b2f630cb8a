// Fetches the charts anew every two seconds, while the page is in sight.

import { morph, parsed } from './morph.js';

const EVERY_MS = 2000;

setInterval(async () => {
  if (document.hidden) return;
  const answer = await fetch(location.href).catch(() => null); // the next attempt follows in two seconds
  if (!answer?.ok) return;
  morph('charts', parsed(await answer.text()).getElementById('charts').outerHTML);
}, EVERY_MS);
