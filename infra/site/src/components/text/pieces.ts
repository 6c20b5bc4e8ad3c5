/** Display of pieces of text in which every character counts. */

/** With visible marks for spaces, line breaks and tabs. */
export function visible(piece: string): string {
  return piece.replaceAll(' ', '·').replaceAll('\n', '↵').replaceAll('\r', '␍').replaceAll('\t', '⇥');
}

/** In quotation marks, for sentences and screen readers. */
export function quoted(piece: string): string {
  return `“${piece.replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')}”`;
}

/** `1 token`, `8 tokens`. */
export function plural(number: number, noun: string): string {
  return `${new Intl.NumberFormat('en').format(number)} ${noun}${number === 1 ? '' : 's'}`;
}

/** How many characters a text has. Those of its tokens do not tell: a token can be a part of one. */
export function charactersOf(text: string): number {
  return [...text].length;
}
