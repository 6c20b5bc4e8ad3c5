/** A text for display: three or more line ends in a row show as two, so that it has no holes. */
export function fewerLineEnds(text: string): string {
  return text.replace(/(\r?\n)(?:[ \t]*\r?\n){2,}/g, '$1$1');
}
