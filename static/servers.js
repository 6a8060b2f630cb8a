// The addresses of the dispatches: the one that this page is from, and those where it goes on if that one ends.
//
// Sockets and requests go to the current one. After two failed attempts in a row, and two seconds, the next one is tried. So a restart
// that is quicker changes nothing.

const ATTEMPTS = 2;
const PATIENCE_MS = 2000;

/**
 * @param others  the origins of the other dispatches
 */
export function servers(others) {
  // A host may have several names. A session belongs to one of them.
  const near = others.filter((origin) => new URL(origin).hostname === location.hostname);
  const origins = [location.origin, ...(near.length > 0 ? near : others)];
  let current = 0;
  let failures = 0;
  let failingSince = 0;

  return {
    /** Returns the address of a path at the current dispatch. */
    at: (path) => (current === 0 ? path : new URL(path, origins[current]).href),
    /** Returns the address of the live socket at the current dispatch. */
    socket: (path) => new URL(path, origins[current].replace(/^http/, 'ws')).href,
    /** Returns the host of the current dispatch, if it is another one than that of the page's own address. */
    elsewhere: () => (current === 0 ? null : new URL(origins[current]).host),
    /** Returns whether sessions of the page's own dispatch are to be sent along. */
    credentials: () => (current === 0 ? 'same-origin' : 'include'),
    answered() {
      failures = 0;
    },
    /** Notes a failed attempt. Returns whether the next attempt goes to another dispatch. */
    failed() {
      if (failures === 0) failingSince = Date.now();
      failures += 1;
      if (failures < ATTEMPTS || Date.now() - failingSince < PATIENCE_MS || origins.length === 1) return false;
      failures = 0;
      current = (current + 1) % origins.length;
      return true;
    },
  };
}
