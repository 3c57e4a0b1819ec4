// What survives closing the page: the outbox (commands and photos, in the order in which they were given), and the
// last known tasks. IndexedDB, one transaction each; resolved only when it is on the disk.
const NAME = "haulwatch-squad";
let opened = null;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore("outbox", { keyPath: "seq", autoIncrement: true });
      asked.result.createObjectStore("kept");
    };
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
  return opened;
}

async function within(store, mode, act) {
  const db = await database();
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(store, mode, { durability: "strict" });
    const asked = act(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(asked?.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

export const addItem = (item) => within("outbox", "readwrite", (store) => store.add(item));
export const putItem = (item) => within("outbox", "readwrite", (store) => store.put(item));
export const dropItem = (seq) => within("outbox", "readwrite", (store) => store.delete(seq));
export const allItems = () => within("outbox", "readonly", (store) => store.getAll());

export const keep = (name, value) => within("kept", "readwrite", (store) => store.put(value, name));
export const kept = (name) => within("kept", "readonly", (store) => store.get(name));

// Asks the browser not to clear what waits when it needs room; it may refuse.
export function askToStay() {
  navigator.storage?.persist?.().catch(() => false);
}
