/** Numbers that only a comparison shows. */

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'always' });
const UNITS = [
  ['year', 365.25 * 86_400],
  ['month', 30.44 * 86_400],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const;

/** `3 days ago`, of an RFC 3339 time. */
export function age(rfc3339: string, now = Date.now()): string {
  const seconds = (now - Date.parse(rfc3339)) / 1000;
  const unit = UNITS.find(([, size]) => seconds >= size);
  return unit ? relative.format(-Math.floor(seconds / unit[1]), unit[0]) : 'just now';
}

/** `0.0013`; `2.5 × 10⁻⁵` for what would be mostly zeros. */
export function scientific(value: number): string {
  if (value === 0 || value >= 1e-3) return String(Number(value.toPrecision(2)));
  const [mantissa, exponent = ''] = value.toExponential(1).split('e');
  return `${mantissa} × 10${[...exponent].map((digit) => SUPERSCRIPTS[digit]).join('')}`;
}

const SUPERSCRIPTS: Record<string, string> = {
  '-': '⁻', 0: '⁰', 1: '¹', 2: '²', 3: '³', 4: '⁴', 5: '⁵', 6: '⁶', 7: '⁷', 8: '⁸', 9: '⁹',
};
