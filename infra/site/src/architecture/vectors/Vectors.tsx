import { useEffect, useRef } from 'preact/hooks';
import type { InspectedToken } from '../../api/types.ts';
import { count } from '../../components/format.ts';
import { quoted, visible } from '../../components/text/pieces.ts';
import { scrollWithin } from '../../components/scroll.ts';
import { Section } from '../shared/Section.tsx';
import type { TokenChoice, View } from '../view.ts';

/** Embeddings: token and position vectors, and their sum, which enters the first block. */
export function Vectors({ view, token, choose }: { view: View } & TokenChoice) {
  const { tokens, model_info: info } = view.inspection;
  const shown = tokens[0]?.token_embedding.length ?? 0;
  const looked = tokens[token];
  const matrix = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const row = matrix.current?.children[token];
    if (matrix.current && row instanceof HTMLElement) scrollWithin(matrix.current, row);
  }, [token, tokens]);
  return (
    <Section
      id="vectors"
      title="Tokens become vectors"
      shape={`${count(tokens.length)} × ${count(info.embedding_dim)}`}
      words={
        <>
          <p>
            Each id selects a row of the <strong>token embedding</strong>, a table of {count(info.vocab_size)} rows:{' '}
            {count(info.embedding_dim)} numbers, a vector, that stand for the token. They started as random numbers; in training
            they came to say how the token is used.
          </p>
          <p>
            The blocks below would not notice the order of the tokens. So a second table, the{' '}
            <strong>position embedding</strong>, has a row for each of the {count(info.context_length)} places that a token can
            have in a text, and the two rows are added. Their sum enters the first block.
          </p>
        </>
      }
    >
      <div class="vectors">
        <div class="matrix-box">
          <div class="matrix-row matrix-head soft" aria-hidden="true">
            <span />
            <span>token</span>
            <span>+ position</span>
            <span>= sum</span>
          </div>
          {/* The same numbers stand in the table beside it, for one token at a time. */}
          <div ref={matrix} class="matrix scrolls" aria-hidden="true">
            {tokens.map((one, index) => (
              <div
                key={index}
                class={`matrix-row ${index === token ? 'matrix-chosen' : ''}`}
                onClick={() => choose(index)}
              >
                <span class="matrix-piece">{visible(one.text)}</span>
                <Cells numbers={one.token_embedding} />
                <Cells numbers={one.position_embedding} />
                <Cells numbers={sums(one)} />
              </div>
            ))}
          </div>
          <p class="figures soft">
            The first {shown} of {count(info.embedding_dim)} numbers: <span class="key key-more">above</span> and{' '}
            <span class="key key-less">below</span> zero. Choose a row to see its numbers.
          </p>
        </div>
        {looked && <NumbersOf token={looked} position={token} left={info.embedding_dim - shown} />}
      </div>
    </Section>
  );
}

function Cells({ numbers }: { numbers: readonly number[] }) {
  return (
    <span class="cells">
      {numbers.map((number, index) => (
        <span key={index} class={number < 0 ? 'cell cell-less' : 'cell'} style={{ opacity: strength(number) }} />
      ))}
    </span>
  );
}

/** From 0 to 1, so that numbers of the size that most have, around 1, can be told apart. */
const strength = (number: number) => Math.min(1, Math.abs(number) / 2.5) ** 0.8;

const sums = (token: InspectedToken) => token.token_embedding.map((number, index) => number + (token.position_embedding[index] ?? 0));

function NumbersOf({ token, position, left }: { token: InspectedToken; position: number; left: number }) {
  const all = sums(token);
  return (
    <table class="numbers">
      <caption>
        <code>{visible(token.text)}</code> at position {position}, from 0
        <span class="visually-hidden">, {quoted(token.text)}</span>
      </caption>
      <thead>
        <tr>
          <th scope="col">
            <span class="visually-hidden">Number</span>
          </th>
          <th scope="col">token</th>
          <th scope="col">position</th>
          <th scope="col">sum</th>
        </tr>
      </thead>
      <tbody>
        {all.map((total, index) => (
          <tr key={index}>
            <th scope="row">{index + 1}</th>
            <td>{signed(token.token_embedding[index] ?? 0)}</td>
            <td>{signed(token.position_embedding[index] ?? 0)}</td>
            <td>{signed(total)}</td>
          </tr>
        ))}
        <tr class="soft">
          <th scope="row">…</th>
          <td colSpan={3}>and {count(left)} more</td>
        </tr>
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">length</th>
          <td>{token.token_norm.toFixed(2)}</td>
          <td>{token.position_norm.toFixed(2)}</td>
          <td />
        </tr>
      </tfoot>
    </table>
  );
}

/** With a sign of the width of a digit, as numbers below each other need it. */
function signed(number: number): string {
  const text = Math.abs(number).toFixed(3);
  return Number(text) === 0 ? text : `${number < 0 ? '−' : '+'}${text}`;
}
