// The live socket: opens it, notices when it falls silent, opens it again, and keeps count of the frames.
//
// Each frame says from which number on it tells the news. Whoever has that number, or a later one, can take it; who has missed
// something asks for all since. So a new socket goes on where the old one ended, and a lost frame mends itself.

const SILENCE_MS = 3000; // keep-alives come each second: three missed are no accident
const BACKOFF_MS_MIN = 250;
const BACKOFF_MS_MAX = 5000;

/**
 * @param page       {epoch, frame}: the run of dispatch that this page is of, and the number of the frame that it shows
 * @param address    (epoch, frame, bare) => the address to connect to, asked anew for each socket
 * @param onFrame    (frame) => void; may throw, which drops the socket and everything known of frames
 * @param onSkip     () => void, when this browser was too slow, and frames in between were left out
 * @param onContact  (state) => void, where state is {name: 'live'} or {name: 'lost', since: Date, retryAt: Date | null};
 *                   also called when only `retryAt` changes. `retryAt` is null while an attempt is under way.
 */
export function live({ page, address, onFrame, onSkip, onContact }) {
  let { epoch, frame: last } = page;
  let socket = null;
  let opened = 0; // when the socket was
  let heard = Date.now(); // when the last message came; until one does, when the page did
  let state = 'connecting'; // then 'live' or 'lost'
  let failures = 0;
  let retryAt = null;
  let retryTimer;
  let asked = false; // for what was missed
  let bare = true; // the page comes without its history
  let awaited = 0; // how many frames with the whole of a view have yet to come, at most

  function open() {
    drop();
    clearTimeout(retryTimer);
    retryAt = null;
    opened = Date.now();
    asked = false;
    // What was shown before is of no use where something else is wanted by now.
    if (awaited > 0) last = 0;
    awaited = last === 0 ? 1 : 0;
    const mine = new WebSocket(address(epoch, last, bare));
    socket = mine;
    mine.onmessage = ({ data }) => {
      if (mine !== socket) return;
      try {
        receive(JSON.parse(data));
      } catch (reason) {
        console.warn('live: a frame that cannot be used; beginning anew', reason);
        last = 0;
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

  function receive(message) {
    if (message.t === 'hello') {
      epoch = message.epoch;
      if (!message.resume && last > 0) {
        last = 0;
        awaited += 1;
      }
    } else if (message.t === 'd') take(message);
    else if (message.t === 'skips') onSkip();
    else if (message.t !== 'k') return; // from a newer server
    else if (message.s > last) ask();
    heard = Date.now();
    failures = 0;
    if (state !== 'live') {
      state = 'live';
      tell();
    }
  }

  function take(frame) {
    if (frame.from > last) {
      ask();
      return;
    }
    asked = false;
    if (frame.whole) awaited = Math.max(0, awaited - 1);
    last = frame.s;
    bare = false;
    onFrame(frame);
    say({ t: 'ack', s: frame.s });
  }

  // What was missed may have been the whole of a view.
  function ask() {
    if (!asked) say({ t: 'resync', since: awaited > 0 ? 0 : last });
    asked = true;
  }

  function say(message) {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
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

  // Silence counts from the last message, however many sockets came and went since; a socket gets as long to speak up.
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
    /** Opens a socket at once. */
    open,
    /** Asks for what another address shows; with `pin`, for these heroes' rows, wherever they would stand. */
    watch(view, pin = []) {
      awaited += 1;
      // One that is only just opening was opened to the address before, and hears nothing yet.
      if (socket && socket.readyState !== WebSocket.OPEN) open();
      else say({ t: 'watch', view, pin });
    },
  };
}
