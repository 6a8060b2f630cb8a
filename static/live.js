// The live socket: opens it, detects a timeout, opens it again, and tracks the frame numbers.
//
// Each frame contains all changes since the frame number `from`. A page that has this number, or a later one, can apply it; a page that
// missed a frame requests all changes since its last one. So a new socket resumes where the old one ended, and a lost frame is repaired.
//
// A browser does not tell a page why a socket was refused. So the page then asks by fetch: for the reason, and for the frames.

const CONTACT_TIMEOUT_MS = 3000; // keep-alives are sent each second; three missing ones are a timeout
const BACKOFF_MS_MIN = 250;
const BACKOFF_MS_MAX = 5000;
const POLL_MS = 1000; // the pause between two requests while no socket opens
const POLL_TIMEOUT_MS = 2500;

/**
 * @param page       {epoch, frame}: the run of dispatch that rendered this page, and the number of the frame that it shows
 * @param server     the addresses of the dispatches, see servers.js
 * @param query      (epoch, frame, bare) => the query of the page and its position, called for each socket and request
 * @param onFrame    (frame) => void; may throw, which drops the socket and resets the frame number
 * @param onSkip     () => void, called when this browser was too slow and frames were skipped
 * @param onContact  (state) => void, where state is {name: 'live', polling: string | null} with the reason for polling,
 *                   {name: 'lost', since: Date, retryAt: Date | null} or {name: 'refused', since: Date, why: string, signIn: boolean};
 *                   also called when only `retryAt` changes. `retryAt` is null during an attempt.
 */
export function live({ page, server, query, onFrame, onSkip, onContact }) {
  let { epoch, frame: last } = page;
  let socket = null;
  let openedAt = 0; // the time at which the socket was opened
  let lastMessageAt = Date.now(); // the time of the last message; at first, that of loading the page
  let state = 'connecting'; // then 'live', 'lost' or 'refused'
  let polling = null; // the reason for polling, while no socket opens
  let refusal = null; // the reason why requests are refused too
  let answered = false; // a message of the present socket has arrived
  let asking = false;
  let pollTimer;
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
    const mine = new WebSocket(server.socket(`/live?${query(epoch, last, bare)}`));
    answered = false;
    socket = mine;
    mine.onmessage = ({ data }) => {
      if (mine !== socket) return;
      answered = true;
      server.answered();
      refusal = null;
      stopPolling();
      try {
        receive(JSON.parse(data));
      } catch (reason) {
        console.warn('live: invalid frame; resetting the frame number', reason);
        last = 0;
        retryLater();
      }
    };
    mine.onclose = () => {
      if (mine !== socket) return;
      retryLater();
      if (!answered) poll();
    };
    if (state !== 'live') report();
  }

  function stopPolling() {
    clearTimeout(pollTimer);
    if (polling === null) return;
    polling = null;
    report();
  }

  // Asks for the frames, and again after a pause, until a socket is answered or no request is.
  async function poll() {
    if (asking) return;
    asking = true;
    clearTimeout(pollTimer);
    if (awaited > 0) last = 0;
    const { messages, refused } = await request(server, `/frames?${query(epoch, last, bare)}`);
    const reason = messages && (polling ?? await reasonForPolling(server));
    asking = false;
    if (answered) return; // a socket opened in the meantime
    refusal = refused ?? null;
    if (messages) server.answered();
    if (messages) {
      polling = reason;
      try {
        messages.forEach(receive);
      } catch (failure) {
        console.warn('live: invalid frame; resetting the frame number', failure);
        last = 0;
      }
      report();
    } else if (refused) {
      state = 'refused';
      report();
    } else polling = null;
    if (messages || refused) pollTimer = setTimeout(poll, POLL_MS);
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
    // Polling does not shorten the pauses between two sockets.
    if (polling === null) failures = 0;
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
    // At another dispatch the attempts begin anew.
    if (!answered && polling === null && server.failed()) failures = 0;
    const delay = Math.random() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** failures);
    failures += 1;
    retryAt = new Date(Date.now() + delay);
    retryTimer = setTimeout(open, delay);
    if (state === 'lost') report();
  }

  // The timeout counts from the last message of any socket, so that failing reconnects do not extend it. A new socket gets the full time.
  function checkTimeout() {
    const now = Date.now();
    const isSilent = now - Math.max(lastMessageAt, openedAt) >= CONTACT_TIMEOUT_MS || (polling !== null && now - openedAt >= CONTACT_TIMEOUT_MS);
    if (socket && isSilent) {
      retryLater();
      poll();
    }
    if (state !== 'lost' && !refusal && now - lastMessageAt >= CONTACT_TIMEOUT_MS) {
      state = 'lost';
      report();
    }
  }

  function report() {
    const since = new Date(lastMessageAt);
    if (state === 'lost') onContact({ name: 'lost', since, retryAt });
    else if (state === 'refused') onContact({ name: 'refused', since, ...refusal });
    else if (state === 'live') onContact({ name: 'live', polling, elsewhere: server.elsewhere() });
  }

  open();
  setInterval(checkTimeout, 250);

  return {
    isLive: () => state === 'live',
    /** Returns the id of the run of dispatch that the page shows. */
    epoch: () => epoch,
    /** Opens a socket at once. */
    open,
    /** Requests the whole view, with the history. */
    renew() {
      last = 0;
      bare = true;
      open();
    },
    /** Requests the view of another query; with `pin`, the rows of these heroes keep their positions. */
    watch(view, pin = []) {
      awaited += 1;
      if (polling !== null) {
        poll();
        return;
      }
      // A socket that is still connecting has the previous address, and cannot send yet.
      if (socket && socket.readyState !== WebSocket.OPEN) open();
      else send({ t: 'watch', view, pin });
    },
  };
}

/** Requests messages. Returns them, or why the request was refused; neither if dispatch was not reached. */
async function request(server, path) {
  let response;
  try {
    response = await fetch(server.at(path), { credentials: server.credentials(), headers: { Accept: 'application/json' }, redirect: 'manual', signal: AbortSignal.timeout(POLL_TIMEOUT_MS) });
    if (response.ok && isJson(response)) return { messages: await response.json() };
  } catch {
    return {};
  }
  const { detail } = isJson(response) ? await response.json().catch(() => ({})) : {};
  if (response.status === 401) return { refused: { why: 'You are signed out.', signIn: true } };
  // Nothing but a proxy redirects this request, or answers it with a page.
  if (response.type === 'opaqueredirect' || response.ok) return { refused: { why: 'A proxy asks for a sign-in.', signIn: false } };
  return detail ? { refused: { why: `Dispatch refuses requests: ${detail}.`, signIn: false } } : {};
}

/** Returns why no socket opens although requests are answered. */
async function reasonForPolling(server) {
  try {
    // A browser sends the origin with this method only.
    const response = await fetch(server.at('/frames'), { credentials: server.credentials(), method: 'POST', headers: { Accept: 'application/json' }, redirect: 'manual', signal: AbortSignal.timeout(POLL_TIMEOUT_MS) });
    const { type, detail } = isJson(response) ? await response.json() : {};
    if (type === 'foreign_origin') return `Dispatch refuses the live socket: ${detail}.`;
  } catch {
    // The request was answered a moment ago, so the proxy is the likely reason.
  }
  return 'No WebSocket opens; most likely a proxy does not pass the Upgrade header.';
}

function isJson(response) {
  return response.headers.get('content-type')?.includes('json') ?? false;
}
