/** Keys of APIs that ask for one. They live as long as the browser's tab. */

const name = (base: string) => `troelsllm.key ${base}`;

/** The key for the API at `base`. */
export function readKey(base: string): string | null {
  try {
    return sessionStorage.getItem(name(base));
  } catch {
    return null;
  }
}

/** Keeps the key for the API at `base`; an empty one is forgotten. */
export function keepKey(base: string, key: string): void {
  if (key) sessionStorage.setItem(name(base), key);
  else sessionStorage.removeItem(name(base));
}
