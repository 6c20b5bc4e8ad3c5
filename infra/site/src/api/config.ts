import { ApiError } from './error.ts';

/** Addresses of the APIs: `config.json` beside the page, written at deployment. */
export interface Config {
  /** Address of the API; empty if it lies where the page does. */
  readonly api: string;
  /** Addresses of other APIs, for the page that compares models. */
  readonly compare: readonly string[];
}

let loaded: Promise<Config> | null = null;

/** The configuration, read once; anew after a failure. */
export function loadConfig(): Promise<Config> {
  loaded ??= readConfig().catch((error: unknown) => {
    loaded = null;
    throw error;
  });
  return loaded;
}

/** Reads `config.json`; `?api=` in the page's address takes its place. */
async function readConfig(): Promise<Config> {
  const response = await fetch(new URL('config.json', document.baseURI), { cache: 'no-cache' });
  if (!response.ok) throw await ApiError.of(response);
  return parseConfig(await response.json().catch(() => undefined), location.search);
}

/** The configuration of a `config.json` and the query of the page's address. */
export function parseConfig(json: unknown, search: string): Config {
  if (typeof json !== 'object' || json === null) throw new ApiError('config', 'config.json is not an object');
  const { api = '', compare = [] } = json as { api?: unknown; compare?: unknown };
  if (!isAddress(api) || !Array.isArray(compare) || !compare.every(isAddress)) {
    throw new ApiError('config', 'config.json is {"api": URL, "compare": [URL, …]}, where an URL is https://… or empty');
  }
  const override = apiOverride(search);
  if (override !== null && !isAddress(override)) {
    throw new ApiError('config', 'api= in the address of this page is not an address like https://example.org');
  }
  return { api: trim(override ?? api), compare: compare.map(trim) };
}

/** The query that keeps `?api=` on the way from page to page; empty without one. */
export function keepApi(search = location.search): string {
  const api = apiOverride(search);
  return api === null ? '' : `?${new URLSearchParams({ api })}`;
}

const apiOverride = (search: string) => new URLSearchParams(search).get('api');
const isAddress = (value: unknown): value is string => typeof value === 'string' && (value === '' || /^https?:\/\/[^/]/.test(value));
const trim = (address: string) => address.replace(/\/+$/, '');
