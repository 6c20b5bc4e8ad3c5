/** Stations of a text on its way through the model, with the reader's own numbers, and what a tour says of each. */
import { count, percent } from '../../components/format.ts';
import { plural, quoted, visible } from '../../components/text/pieces.ts';
import type { View } from '../view.ts';

/** A token that comes next: the one that was drawn, or else the likeliest. */
export interface Outcome {
  readonly text: string;
  /** Null if it is not known. */
  readonly chance: number | null;
  readonly drawn: boolean;
}

/** A station, which is a section of the page too. */
export interface Station {
  readonly id: string;
  readonly name: string;
  /** Path of its icon, on a square of 24. */
  readonly icon: string;
  /** The reader's own number; empty until there is one. */
  readonly figure: string;
  /** What happens here, in a sentence or two. */
  readonly words: string;
}

/** The longest beginning of the text that is shown. */
const SHOWN_CHARACTERS = 9;

/** The six stations from the text to the next token. */
export function stations(view: View | null, outcome: Outcome | null): Station[] {
  const info = view?.inspection.model_info;
  const tokens = view?.inspection.tokens.length ?? 0;
  const of = (figure: (shape: NonNullable<typeof info>) => string) => (info ? figure(info) : '');
  const characters = [...(view?.text ?? '')];
  const text = characters.length > SHOWN_CHARACTERS ? `${characters.slice(0, SHOWN_CHARACTERS).join('')}…` : characters.join('');
  const chance = outcome?.chance === null || outcome === null ? '' : percent(outcome.chance);
  return [
    {
      id: 'text',
      name: 'Text',
      icon: 'M4 6h16M4 11h16M4 16h9',
      figure: text && `“${text}”`,
      words: 'This is where it begins: a text. A GPT does one thing only. It reads a text and says how likely every possible continuation by one small piece is.',
    },
    {
      id: 'tokens',
      name: 'Tokens',
      icon: 'M3 8h5v8H3zM10 8h4v8h-4zM16 8h5v8h-5z',
      figure: of(() => plural(tokens, 'token')),
      words: of(() => `The text is cut into ${plural(tokens, 'piece')}, its tokens. Each has a number, since a model can only compute with numbers.`),
    },
    {
      id: 'vectors',
      name: 'Vectors',
      icon: 'M5 4h4v16H5zM15 4h4v16h-4zM5 9h4M5 14h4M15 9h4M15 14h4',
      figure: of((shape) => `${count(tokens)} × ${count(shape.embedding_dim)}`),
      words: of((shape) => `Each token is looked up in a table and becomes a list of ${count(shape.embedding_dim)} numbers, a vector. A second list, for its position, is added.`),
    },
    {
      id: 'blocks',
      name: 'Blocks',
      icon: 'M5 4h14v4H5zM5 10h14v4H5zM5 16h14v4H5z',
      figure: of((shape) => count(shape.layers)),
      words: of((shape) => `${plural(shape.layers, 'block')} change these numbers one after the other, until the vector of each token says what may come after it.`),
    },
    {
      id: 'attention',
      name: 'Attention',
      icon: 'M4 4v16h16zM4 12h8M12 20v-8',
      figure: of((shape) => `${count(shape.layers)} × ${count(shape.heads)}`),
      words: of((shape) => `In each block, ${plural(shape.heads, 'head')} decide from which earlier tokens a token takes information. Each map below shows one head at work on your text.`),
    },
    {
      id: 'next',
      name: 'Next token',
      icon: 'M4 20V4M4 6h14M4 12h8M4 18h4',
      figure: outcome ? `${visible(outcome.text)} ${chance}` : '',
      words: of((shape) =>
        outcome
          ? `The last vector gives every one of ${count(shape.vocab_size)} tokens a probability. ${outcome.drawn ? 'Drawn was' : 'The likeliest is'} ` +
            `${quoted(outcome.text)}${chance && `, with ${chance}`}. Put it behind the text, begin again, and the model writes.`
          : '',
      ),
    },
  ];
}
