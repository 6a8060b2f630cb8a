// Puts the parts together. Without any of this the page is complete: forms post, links lead somewhere, it refreshes.

import { spaced } from './announce.js';
import { commands } from './commands.js';
import { contact } from './contact.js';
import { live } from './live.js';
import { morph } from './morph.js';
import { notices } from './notices.js';
import { themeSwitch } from './theme.js';
import { view } from './view.js';

themeSwitch(document.getElementById('theme'));

const notice = notices(document.getElementById('notices'));
const command = commands({ onNotice: (text) => notice(text, 'answer') });
const shown = contact({ onRetry: () => socket.open() });

const socket = live({
  address: () => `${location.origin.replace(/^http/, 'ws')}/live${location.search}`,
  onFrame({ title, panels }) {
    for (const [id, html] of Object.entries(panels)) morph(id, html);
    if (title !== undefined) document.title = title;
    spaced(document.querySelector('#verdict [aria-live]'));
  },
  onNotice: (text) => notice(text, 'broadcast'),
  onContact(state) {
    shown(state);
    command.allow(state.name !== 'lost');
  },
});

view({ canFollow: () => socket.isLive(), onMove: () => socket.open() });
