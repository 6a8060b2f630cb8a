// Hands a file that was dropped on the live page to the player, through the browser's database.

const STORE = 'files';

function answered(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function store() {
  const request = indexedDB.open('superhero-replay', 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return (await answered(request)).transaction(STORE, 'readwrite').objectStore(STORE);
}

/** Keeps a file until the player takes it. */
export async function handOver(file) {
  await answered((await store()).put(file, 'dropped'));
}

/** Returns the file that was handed over, and forgets it. */
export async function takeOver() {
  const files = await store();
  const file = await answered(files.get('dropped'));
  await answered(files.delete('dropped'));
  return file;
}
