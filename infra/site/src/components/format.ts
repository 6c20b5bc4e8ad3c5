/** Formatting of numbers, sizes, durations and times for display. */

const LOCALE = 'en-GB';
const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const date = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' });

/** `5,240` */
export function count(value: number): string {
  return whole.format(value);
}

/** `162.4 million`, `1.2 million`; smaller numbers in full. */
export function large(value: number): string {
  if (value >= 1e9) return `${digits(value / 1e9)} billion`;
  return value >= 1e6 ? `${digits(value / 1e6)} million` : count(value);
}

/** `13.9 MB` */
export function bytes(value: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(value, 1)) / 3));
  return `${digits(value / 1000 ** power)} ${units[power]}`;
}

/** `0.13s`, `2.3s`, `4 min 18 s`: two or three significant digits. */
export function seconds(value: number): string {
  // The bounds are where rounding carries over.
  if (value < 0.995) return `${value.toFixed(2)}s`;
  if (value < 99.95) return `${value.toFixed(1)}s`;
  const rounded = Math.round(value);
  if (rounded < 3600) return `${Math.floor(rounded / 60)} min ${rounded % 60} s`;
  return `${Math.floor(rounded / 3600)} h ${Math.floor((rounded % 3600) / 60)} min`;
}

/** `6 ms`, `0.4 ms`, `2.3s` */
export function milliseconds(value: number): string {
  if (value >= 999.5) return seconds(value / 1000);
  return `${value < 10 ? digits(value) : count(value)} ms`;
}

/** `6.588` */
export function loss(value: number): string {
  return value.toFixed(3);
}

/** `98.4%`; `< 0.1%` for a share that would round to 0. */
export function percent(share: number, fractionDigits = 1): string {
  const least = 10 ** -fractionDigits;
  if (share > 0 && share * 100 < least) return `< ${least}%`;
  return `${(share * 100).toFixed(fractionDigits)}%`;
}

/** `24 Nov 2026, 15:50 UTC`, of an RFC 3339 time. */
export function time(rfc3339: string): string {
  return `${date.format(new Date(rfc3339))} UTC`;
}

/** `4-bit weights`, for the precision `w4`. */
export function precision(name: string): string {
  const bits = /^w(\d+)$/.exec(name)?.[1];
  return bits ? `${bits}-bit weights` : name;
}

/** Three significant digits, without trailing zeros. */
function digits(value: number): string {
  return Number(value.toPrecision(3)) >= 100 ? whole.format(value) : String(Number(value.toPrecision(value < 10 ? 2 : 3)));
}
