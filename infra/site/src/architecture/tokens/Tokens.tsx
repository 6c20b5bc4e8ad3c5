import { count } from '../../components/format.ts';
import { charactersOf, plural, quoted, visible } from '../../components/text/pieces.ts';
import { Choice } from '../../components/Choice.tsx';
import { Section } from '../shared/Section.tsx';
import type { TokenChoice, View } from '../view.ts';

/** Tokenization: the text as tokens, each with its id. */
export function Tokens({ view, token, choose }: { view: View } & TokenChoice) {
  const { tokens, model_info: info } = view.inspection;
  const characters = charactersOf(view.text);
  return (
    <Section
      id="tokens"
      wide
      title="Text becomes tokens"
      shape={plural(tokens.length, 'id')}
      words={
        <>
          <p>
            A model computes with numbers, so a tokenizer first cuts the text into <strong>tokens</strong>, each with a
            number of its own, its id. The vocabulary comes from <strong>byte-pair encoding</strong>: starting from
            single bytes, the most frequent pair of neighbours in a large collection of texts was merged into a new
            token, again and again. It has {count(info.vocab_size)} tokens.
          </p>
          <p>
            A frequent word is one token, a rare one several. The space before a word belongs to it (·): to the model,{' '}
            <em>lamp</em> at the start of a text and <em>lamp</em> within it are two different things.
          </p>
        </>
      }
    >
      <Choice
        label="Tokens of the text"
        class="chips scrolls"
        count={tokens.length}
        chosen={token}
        onChoose={choose}
        describe={(index) => `${quoted(tokens[index]?.text ?? '')}, id ${tokens[index]?.id}`}
        itemClass={(index) => `piece piece-${index % 4}`}
      >
        {(index) => (
          <>
            <span class="piece-text">{visible(tokens[index]?.text ?? '')}</span>
            <span class="piece-note number">{tokens[index]?.id}</span>
          </>
        )}
      </Choice>
      <p class="figures soft">
        {plural(characters, 'character')} in {plural(tokens.length, 'token')}, {(characters / tokens.length).toFixed(1)}{' '}
        each. They fill {count(tokens.length)} of the {count(info.context_length)} positions of the model's context.
      </p>
    </Section>
  );
}
