/** API keys, stored for as long as the browser's tab is open. */

const name = (base: string) => `troelsllm.key ${base}`;
/** Keys that the browser does not let the page store; they last as long as the page. */
const unstored = new Map<string, string>();

/** The key for the API at `base`. */
export function readKey(base: string): string | null {
  try {
    return sessionStorage.getItem(name(base)) ?? unstored.get(base) ?? null;
  } catch {
    return unstored.get(base) ?? null;
  }
}

/** Keeps the key for the API at `base`; an empty one is forgotten. */
export function keepKey(base: string, key: string): void {
  unstored.delete(base);
  try {
    if (key) sessionStorage.setItem(name(base), key);
    else sessionStorage.removeItem(name(base));
  } catch {
    if (key) unstored.set(base, key);
  }
}
