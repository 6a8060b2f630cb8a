// The live socket: opens it, notices when it falls silent, opens it again.
//
// Every frame stands for itself: the first one on a socket brings all panels, the following ones those that changed. So a
// new socket needs no memory of the old one, and any doubt about a frame is answered by opening a new socket.

const SILENCE_MS = 3000; // keep-alives come each second: three missed are no accident
const BACKOFF_MS_MIN = 250;
const BACKOFF_MS_MAX = 5000;

/**
 * @param address    () => the address to connect to, asked anew for each socket
 * @param onFrame    (frame) => void; may throw, which drops the socket
 * @param onNotice   (text) => void
 * @param onContact  (state) => void, where state is {name: 'live'} or {name: 'lost', since: Date, retryAt: Date | null};
 *                   also called when only `retryAt` changes. `retryAt` is null while an attempt is under way.
 */
export function live({ address, onFrame, onNotice, onContact }) {
  let socket = null;
  let opened = 0; // when the socket was
  let heard = Date.now(); // when the last frame came; until one does, when the page did
  let state = 'connecting'; // then 'live' or 'lost'
  let failures = 0;
  let retryAt = null;
  let retryTimer;

  function open() {
    drop();
    clearTimeout(retryTimer);
    retryAt = null;
    opened = Date.now();
    const mine = new WebSocket(address());
    socket = mine;
    mine.onmessage = ({ data }) => {
      if (mine !== socket) return;
      try {
        receive(JSON.parse(data));
      } catch (reason) {
        console.warn('live: a frame that cannot be used; opening a new socket', reason);
        retryLater();
      }
    };
    mine.onclose = () => {
      if (mine === socket) retryLater();
    };
    if (state === 'lost') tell();
  }

  // Forgets the socket before closing it, so that its last words reach nobody.
  function drop() {
    const old = socket;
    socket = null;
    old?.close();
  }

  function receive(frame) {
    if (frame.t === 'frame') onFrame(frame);
    else if (frame.t === 'notice') onNotice(frame.text);
    else if (frame.t !== 'k') return; // from a newer server
    heard = Date.now();
    failures = 0;
    if (state !== 'live') {
      state = 'live';
      tell();
    }
  }

  // Full jitter: when dispatch comes back, its visitors do not all knock at the same moment.
  function retryLater() {
    drop();
    clearTimeout(retryTimer);
    const delay = Math.random() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** failures);
    failures += 1;
    retryAt = new Date(Date.now() + delay);
    retryTimer = setTimeout(open, delay);
    if (state === 'lost') tell();
  }

  // Silence counts from the last frame, however many sockets came and went since; a socket gets as long to speak up.
  function listen() {
    const now = Date.now();
    if (socket && now - Math.max(heard, opened) >= SILENCE_MS) retryLater();
    if (state !== 'lost' && now - heard >= SILENCE_MS) {
      state = 'lost';
      tell();
    }
  }

  function tell() {
    onContact(state === 'lost' ? { name: 'lost', since: new Date(heard), retryAt } : { name: 'live' });
  }

  open();
  setInterval(listen, 250);

  return {
    isLive: () => state === 'live',
    /** Opens a socket at once, to the address as it is now. */
    open,
  };
}
