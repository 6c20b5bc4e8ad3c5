import { percent } from '../../components/format.ts';
import { quoted, visible } from '../../components/text/pieces.ts';
import { largestWeights } from './patterns.ts';

/** How many of the tokens that are attended to are worked out. */
const WORKED = 3;

/** One row of a head worked out: query times key, scaled, masked, and the softmax that makes weights of it. */
export function ScoreSteps({ row, text, looking, width, later }: {
  /** The attention weights of the token that looks. */
  row: readonly number[];
  text: (index: number) => string;
  looking: number;
  /** How many numbers a query and a key have. */
  width: number;
  /** A token after the one that looks, if there is one. */
  later: number | null;
}) {
  const shown = largestWeights(row, WORKED).map(({ token }) => token);
  const scores = relativeScores(row);
  const root = Math.sqrt(width);
  const total = 1 / Math.max(...row);
  return (
    <details class="scores">
      <summary>How these weights come about</summary>
      <p>
        For each token the head has a query, a key and a value, {width} numbers each. The query of{' '}
        <strong class="unbroken">{quoted(text(looking))}</strong> is multiplied with the key of each token, number by number, and the
        products are added up: <em>q·k</em>. Divided by √{width} they are the scores. Scores of later tokens are masked. The softmax
        turns the others into weights, and the values, mixed by these weights, are what the head passes on.
      </p>
      <div class="table-box" tabIndex={0} role="group" aria-label="Scores and weights">
        <table class="table number">
          <thead>
            <tr>
              <th scope="col">token</th>
              <th scope="col">q·k</th>
              <th scope="col">÷ {root.toFixed(2)}</th>
              <th scope="col">mask</th>
              <th scope="col">e^score</th>
              <th scope="col">÷ {total.toFixed(2)}</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((token) => (
              <tr key={token}>
                <th scope="row">
                  <code title={quoted(text(token))}>{visible(text(token))}</code>
                </th>
                <td>{signed((scores[token] ?? 0) * root)}</td>
                <td>{signed(scores[token] ?? 0)}</td>
                <td>stays</td>
                <td>{Math.exp(scores[token] ?? 0).toFixed(3)}</td>
                <td>
                  <strong>{percent(row[token] ?? 0)}</strong>
                </td>
              </tr>
            ))}
            {later !== null && (
              <tr class="soft">
                <th scope="row">
                  <code title={quoted(text(later))}>{visible(text(later))}</code>
                </th>
                <td colSpan={2}>comes later</td>
                <td>−∞</td>
                <td>0</td>
                <td>0%</td>
              </tr>
            )}
          </tbody>
        </table>
      </div>
      <p class="soft figures">
        Computed back from the weights of the answer, which tell each score up to the same constant for all: here the largest is called
        0. The last division is by the sum over all {row.length}.
      </p>
    </details>
  );
}

/** Scores before the softmax, as far as the weights tell them: the natural logarithm of each over the largest. */
export function relativeScores(row: readonly number[]): number[] {
  const largest = Math.max(...row);
  return row.map((weight) => Math.log(weight / largest));
}

/** With two digits and a sign of the width of a digit. */
function signed(score: number): string {
  if (score === -Infinity) return '−∞';
  const text = Math.abs(score).toFixed(2);
  return Number(text) === 0 ? text : `${score < 0 ? '−' : '+'}${text}`;
}
