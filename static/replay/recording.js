// Recordings: gzip-compressed JSON, as the crate `recording` describes it. A file that breaks a rule is refused by name, so the other
// modules need no checks.

const FORMAT = 'superhero-recording';
const VERSION = 1;
const JSON_BYTES_MAX = 64 * 1024 * 1024;
const NODES_MAX = 1024;

/**
 * Reads a recording.
 * @param {Blob} file
 * @throws {Error} the reason for which the file is refused
 */
export async function read(file) {
  const recording = parsed(await decompressed(file));
  check(recording);
  return recording;
}

async function decompressed(file) {
  const chunks = [];
  let size = 0;
  const reader = file.stream().pipeThrough(new DecompressionStream('gzip')).getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new Error('the file is damaged, or is not gzip-compressed');
    });
    if (done) return new Blob(chunks).text();
    size += value.length;
    if (size > JSON_BYTES_MAX) {
      reader.cancel();
      throw new Error('the file holds more than 64 MiB');
    }
    chunks.push(value);
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`the file is not a recording: ${error.message}`);
  }
}

function check(recording) {
  const refuse = (rule) => {
    throw new Error(`the recording is not valid: ${rule}`);
  };
  if (recording?.format !== FORMAT) refuse(`"format" is not "${FORMAT}"`);
  if (!(recording.version >= 1 && recording.version <= VERSION)) refuse(`"version" is ${recording.version}, and this page reads version ${VERSION}`);
  for (const list of ['nodes', 'heroes', 'others', 'writes', 'held', 'changes', 'pulls', 'faults', 'silences', 'members', 'restarts', 'events']) {
    if (!Array.isArray(recording[list])) refuse(`"${list}" is not a list`);
    if (list !== 'others' && recording[list].some((item) => typeof item !== 'object' || item === null)) refuse(`"${list}" has an item that is not an object`);
  }
  const { nodes, heroes, writes, length } = recording;
  if (!nodes.length || nodes.length > NODES_MAX || nodes.some(({ name }) => typeof name !== 'string')) refuse(`"nodes" is not a list of 1 to ${NODES_MAX} nodes with names`);
  if (!Number.isInteger(length) || length < 0 || length > 86_400_000) refuse('"length" is not at most a day');
  if (recording.others.length !== nodes.length) refuse('"others" has not one number for each node');

  const place = (list, what, count, value) => {
    if (!(Number.isInteger(value) && value >= 0 && value < count)) refuse(`"${list}" refers to ${what} ${value}, and there are ${count}`);
  };
  const node = (list, value) => place(list, 'node', nodes.length, value);
  const ordered = (list, time) => {
    let before = 0;
    for (const item of recording[list]) {
      const at = time(item);
      if (!(Number.isInteger(at) && at >= before && at <= length)) refuse(`"${list}" has a time of ${at} ms before the one before it, or after the end`);
      before = at;
    }
  };
  for (const write of writes) if (write.node !== null) node('writes', write.node);
  for (const list of ['held', 'changes']) {
    for (const cell of recording[list]) {
      node(list, cell.node);
      place(list, 'hero', heroes.length, cell.hero);
      if (cell.write !== null) place(list, 'write', writes.length, cell.write);
    }
  }
  for (const pull of recording.pulls) {
    node('pulls', pull.puller);
    node('pulls', pull.source);
    if (!(Number.isInteger(pull.asked) && pull.asked >= 0 && pull.asked <= pull.ended)) refuse('"pulls" has one that ends before it begins');
  }
  for (const fault of recording.faults) {
    node('faults', fault.from);
    if (fault.to !== null) node('faults', fault.to);
  }
  for (const list of ['silences', 'members', 'restarts', 'events']) recording[list].forEach((item) => node(list, item.node));
  ordered('changes', (change) => change.at);
  ordered('pulls', (pull) => pull.ended);
  ordered('faults', (fault) => fault.began);
  for (const list of ['silences', 'members']) ordered(list, (span) => span.began);
  for (const list of ['restarts', 'events']) ordered(list, (item) => item.at);
}
