import { useCallback, useState } from 'preact/hooks';

/** What a request of this page was for. */
export type Purpose = 'inspect' | 'token' | 'text';

/** How long one request of this page took. */
export interface TimedRequest {
  readonly purpose: Purpose;
  /** As the page saw it, with the way there and back. */
  readonly roundTripMs: number;
  /** As the server measured it; null where it does not tell. */
  readonly firstTokenMs: number | null;
  readonly tokensPerSecond: number | null;
}

/** All requests of this page that were answered, and a way to add one. */
export function useTimings(): [readonly TimedRequest[], (request: TimedRequest) => void] {
  const [requests, setRequests] = useState<readonly TimedRequest[]>([]);
  return [requests, useCallback((request) => setRequests((before) => [...before, request]), [])];
}

/** The middle one of some numbers, or the mean of the two in the middle; null of none. */
export function median(numbers: readonly (number | null)[]): number | null {
  const sorted = numbers.filter((number) => number !== null).sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}
