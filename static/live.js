// The live socket: opens it, detects a timeout, opens it again, and tracks the frame numbers.
//
// Each frame contains all changes since the frame number `from`. A page that has this number, or a later one, can apply it; a page that
// missed a frame requests all changes since its last one. So a new socket resumes where the old one ended, and a lost frame is repaired.

const CONTACT_TIMEOUT_MS = 3000; // keep-alives are sent each second; three missing ones are a timeout
const BACKOFF_MS_MIN = 250;
const BACKOFF_MS_MAX = 5000;

/**
 * @param page       {epoch, frame}: the run of dispatch that rendered this page, and the number of the frame that it shows
 * @param address    (epoch, frame, bare) => the address to connect to, called for each socket
 * @param onFrame    (frame) => void; may throw, which drops the socket and resets the frame number
 * @param onSkip     () => void, called when this browser was too slow and frames were skipped
 * @param onContact  (state) => void, where state is {name: 'live'} or {name: 'lost', since: Date, retryAt: Date | null};
 *                   also called when only `retryAt` changes. `retryAt` is null during an attempt.
 */
export function live({ page, address, onFrame, onSkip, onContact }) {
  let { epoch, frame: last } = page;
  let socket = null;
  let openedAt = 0; // the time at which the socket was opened
  let lastMessageAt = Date.now(); // the time of the last message; at first, that of loading the page
  let state = 'connecting'; // then 'live' or 'lost'
  let failures = 0;
  let retryAt = null;
  let retryTimer;
  let resyncSent = false;
  let bare = true; // the page was rendered without its history
  let awaited = 0; // the most frames with the whole view that are still expected

  function open() {
    drop();
    clearTimeout(retryTimer);
    retryAt = null;
    openedAt = Date.now();
    resyncSent = false;
    // The page has requested another view since, so the frames before are not a base for the next one.
    if (awaited > 0) last = 0;
    awaited = last === 0 ? 1 : 0;
    const mine = new WebSocket(address(epoch, last, bare));
    socket = mine;
    mine.onmessage = ({ data }) => {
      if (mine !== socket) return;
      try {
        receive(JSON.parse(data));
      } catch (reason) {
        console.warn('live: invalid frame; resetting the frame number', reason);
        last = 0;
        retryLater();
      }
    };
    mine.onclose = () => {
      if (mine === socket) retryLater();
    };
    if (state === 'lost') report();
  }

  // Clears the reference before closing, so that later messages of this socket are ignored.
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
    else if (message.s > last) resync();
    lastMessageAt = Date.now();
    failures = 0;
    if (state !== 'live') {
      state = 'live';
      report();
    }
  }

  function take(frame) {
    if (frame.from > last) {
      resync();
      return;
    }
    resyncSent = false;
    if (frame.whole) awaited = Math.max(0, awaited - 1);
    last = frame.s;
    bare = false;
    onFrame(frame);
    send({ t: 'ack', s: frame.s });
  }

  // The missed frame may have contained the whole view; then everything is requested.
  function resync() {
    if (!resyncSent) send({ t: 'resync', since: awaited > 0 ? 0 : last });
    resyncSent = true;
  }

  function send(message) {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  }

  // Full jitter: when dispatch restarts, its pages do not all reconnect at the same time.
  function retryLater() {
    drop();
    clearTimeout(retryTimer);
    const delay = Math.random() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** failures);
    failures += 1;
    retryAt = new Date(Date.now() + delay);
    retryTimer = setTimeout(open, delay);
    if (state === 'lost') report();
  }

  // The timeout counts from the last message of any socket, so that failing reconnects do not extend it. A new socket gets the full time.
  function checkTimeout() {
    const now = Date.now();
    if (socket && now - Math.max(lastMessageAt, openedAt) >= CONTACT_TIMEOUT_MS) retryLater();
    if (state !== 'lost' && now - lastMessageAt >= CONTACT_TIMEOUT_MS) {
      state = 'lost';
      report();
    }
  }

  function report() {
    onContact(state === 'lost' ? { name: 'lost', since: new Date(lastMessageAt), retryAt } : { name: 'live' });
  }

  open();
  setInterval(checkTimeout, 250);

  return {
    isLive: () => state === 'live',
    /** Opens a socket at once. */
    open,
    /** Requests the view of another query; with `pin`, the rows of these heroes keep their positions. */
    watch(view, pin = []) {
      awaited += 1;
      // A socket that is still connecting has the previous address, and cannot send yet.
      if (socket && socket.readyState !== WebSocket.OPEN) open();
      else send({ t: 'watch', view, pin });
    },
  };
}
