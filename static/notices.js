// Short messages about the results of commands. Each arrives twice, as the response to a command and as a broadcast to all pages, and is
// shown once.

const SHOWN_MS = 10_000;
const TWIN_MS = 2000;

/** Returns a function that shows `text` from `source`, unless the same text has just arrived from another source. */
export function notices(region) {
  let recent = [];

  return (text, source) => {
    if (!text) return;
    const now = Date.now();
    recent = recent.filter(({ at }) => now - at < TWIN_MS);
    const twin = recent.findIndex((other) => other.text === text && other.source !== source);
    if (twin !== -1) {
      recent.splice(twin, 1); // removed, because each message has one twin: two bombs are two messages
      return;
    }
    recent.push({ text, source, at: now });

    const line = document.createElement('p');
    line.textContent = text;
    region.append(line);
    setTimeout(() => line.remove(), SHOWN_MS);
  };
}
