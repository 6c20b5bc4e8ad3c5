import { useCallback, useState } from 'preact/hooks';

/** Kind of a request of this page. */
export type Purpose = 'inspect' | 'token' | 'text';

/** How long one request of this page took. */
export interface TimedRequest {
  readonly purpose: Purpose;
  /** Measured by the page, network included. */
  readonly roundTripMs: number;
  /** Measured by the server; null if it does not say. */
  readonly firstTokenMs: number | null;
  readonly tokensPerSecond: number | null;
}

/** All requests of this page that were answered, and a way to add one. */
export function useTimings(): [readonly TimedRequest[], (request: TimedRequest) => void] {
  const [requests, setRequests] = useState<readonly TimedRequest[]>([]);
  return [requests, useCallback((request) => setRequests((before) => [...before, request]), [])];
}

/** Median of the numbers that are not null; null if there are none. */
export function median(numbers: readonly (number | null)[]): number | null {
  const sorted = numbers.filter((number) => number !== null).sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}
