/** What the page's own address holds behind its #, as `key=value&…`: nothing of it is ever sent to a server. */

const KEY = "stageflow-voice key";

/** Keep the key that the address holds for this tab, and take it out of the address and the history. */
export function takeKey() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const key = parts.get("key");
  if (key === null) return;
  keepKey(key);
  parts.delete("key");
  history.replaceState(null, "", `${location.pathname}${location.search}${parts.size ? `#${parts}` : ""}`);
}

export function keepKey(key) {
  sessionStorage.setItem(KEY, key.trim());
}

export function keptKey() {
  return sessionStorage.getItem(KEY) ?? "";
}
