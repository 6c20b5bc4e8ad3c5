import type { LoadedModel } from '../api/loaded-model.ts';
import type { GenerateResponse, Variant } from '../api/types.ts';
import { bytes, count, large, loss, milliseconds, percent, precision, seconds, time } from '../components/format.ts';
import { age, scientific } from './format.ts';

/** A cell of the table: one model's value in a row. */
export interface Cell {
  readonly text: string;
  /** The number by which a row finds its best cell. */
  readonly value?: number;
  /** Something smaller beside it. */
  readonly detail?: string | undefined;
  /** Parts, where there are several. */
  readonly parts?: readonly { readonly text: string; readonly detail: string }[];
}

/** A row of the table: a cell for each model, null where nothing is known. */
export interface Row {
  readonly label: string;
  readonly cells: readonly (Cell | null)[];
  /** The column that is ahead, in what, and whether that depends on the text that models were judged on, and on their tokens. */
  readonly best: { readonly column: number; readonly word: string; readonly onText: boolean; readonly perToken: boolean } | null;
  /** Whether all models are known and have the same. */
  readonly same: boolean;
}

/** Rows that belong together. */
export interface Group {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** A model, and its newest answer. */
export interface Measured extends LoadedModel {
  readonly answer: GenerateResponse | null;
}

interface Fact {
  readonly label: string;
  of(model: Measured): Cell | string | null | undefined;
  /** The mark of the smallest, or largest, value. */
  readonly best?: { readonly word: string; readonly largest?: boolean; readonly onText?: boolean; readonly perToken?: boolean };
}

const LOWEST = { word: 'lowest' };
const LOWEST_LOSS = { word: 'lowest', onText: true, perToken: true };
const FEWEST_BITS = { word: 'lowest', onText: true };
const FASTEST = { word: 'fastest' };
const SMALLEST = { word: 'smallest' };

const amount = (value: number | null | undefined, format: (value: number) => string): Cell | null =>
  value === null || value === undefined ? null : { text: format(value), value };

/** The variant that is served. */
const variant = ({ manifest, model }: LoadedModel): Variant | undefined =>
  manifest.variants.find(({ precision }) => precision === model.precision);

/** Facts that need no answer. */
const FACTS: Record<string, Fact[]> = {
  Model: [
    { label: 'Name', of: ({ manifest }) => manifest.name },
    { label: 'Version', of: ({ manifest }) => manifest.version },
    { label: 'Made', of: ({ manifest }) => ({ text: age(manifest.created_at), detail: time(manifest.created_at) }) },
    { label: 'Started from', of: ({ manifest }) => manifest.parent },
    { label: 'Imported from', of: ({ manifest }) => manifest.imported_from?.file },
    { label: 'Parameters', of: ({ model_info: info }) => amount(info.parameters, large) },
    { label: 'Blocks', of: ({ model_info: info }) => amount(info.layers, count) },
    { label: 'Heads in each', of: ({ model_info: info }) => amount(info.heads, count) },
    { label: 'Width', of: ({ model_info: info }) => amount(info.embedding_dim, count) },
    { label: 'Inner width', of: ({ manifest }) => amount(manifest.config.d_ff, count) },
    { label: 'Context, tokens', of: ({ model_info: info }) => amount(info.context_length, count) },
    { label: 'Vocabulary, tokens', of: ({ model_info: info }) => amount(info.vocab_size, count) },
  ],
  Corpus: [
    { label: 'Texts', of: texts },
    { label: 'Tokens', of: ({ manifest }) => amount(corpusTokens(manifest), count) },
    { label: 'Tokenizer', of: ({ manifest }) => manifest.tokenizer?.name },
  ],
  Training: [
    { label: 'Epochs', of: ({ manifest }) => amount(manifest.training?.epochs, count) },
    { label: 'Steps', of: ({ manifest }) => amount(manifest.training?.steps, count) },
    { label: 'Tokens seen', of: ({ curve }) => amount(curve.at(-1)?.tokens_seen, count) },
    { label: 'Time', of: ({ manifest }) => amount(manifest.training?.wall_seconds, seconds) },
    { label: 'Device', of: ({ manifest }) => manifest.training?.device },
  ],
  Losses: [
    { label: 'Training text', of: ({ manifest }) => amount(manifest.training?.final_train_loss, loss), best: LOWEST_LOSS },
    { label: 'Validation text', of: ({ manifest }) => amount(manifest.evaluation?.val_loss, loss), best: LOWEST_LOSS },
    { label: 'Perplexity', of: ({ manifest }) => amount(manifest.evaluation?.perplexity, perplexity), best: LOWEST_LOSS },
    { label: 'Bits per byte', of: ({ manifest }) => amount(manifest.evaluation?.bits_per_byte, loss), best: FEWEST_BITS },
    { label: 'Validated on, tokens', of: ({ manifest }) => amount(manifest.evaluation?.tokens, count) },
  ],
  'As served': [
    { label: 'Precision', of: ({ model }) => precision(model.precision) },
    { label: 'Validation text', of: (model) => amount(variant(model)?.val_loss, loss), best: LOWEST_LOSS },
    { label: 'Bits per byte', of: (model) => amount(variant(model)?.bits_per_byte, loss), best: FEWEST_BITS },
    { label: 'KL divergence', of: (model) => amount(variant(model)?.kl_divergence, scientific), best: LOWEST },
    {
      label: 'Top-1 agreement',
      of: (model) => amount(variant(model)?.top_1_agreement, (share) => percent(share, 2)),
      best: { word: 'highest', largest: true },
    },
  ],
};

const SPEED: Fact[] = [
  {
    label: 'Tokens per second',
    of: ({ answer }) => amount(answer?.timing.tokens_per_second, count),
    best: { ...FASTEST, largest: true },
  },
  { label: 'First token after', of: ({ answer }) => amount(answer?.timing.first_token_ms, milliseconds), best: FASTEST },
  { label: 'Whole answer', of: ({ answer }) => answer && { text: milliseconds(answer.timing.total_ms), detail: tokens(answer) } },
  { label: 'Cold start', of: ({ start }) => amount(start?.ready_ms, milliseconds), best: FASTEST },
];

/** The table of these models; one that is not known yet is null. Facts that none of them has are left out. */
export function tableOf(models: readonly (Measured | null)[]): Group[] {
  const known = models.filter((model) => model !== null);
  if (known.length === 0) return [];
  const groups = Object.entries({ ...FACTS, 'Files of weights': fileFacts(known) }).map(([title, facts]) => ({
    title,
    rows: facts.map((fact) => rowOf(fact, models)).filter(({ cells }) => cells.some((cell) => cell !== null)),
  }));
  // These rows are there before there is an answer to fill them.
  return [...groups.filter(({ rows }) => rows.length > 0), { title: 'Speed', rows: SPEED.map((fact) => rowOf(fact, models)) }];
}

function rowOf({ label, of, best }: Fact, models: readonly (Measured | null)[]): Row {
  const cells = models.map((model) => {
    const cell = model && of(model);
    return typeof cell === 'string' ? { text: cell } : cell || null;
  });
  const [first] = cells;
  const same = cells.length > 1 && first !== null && cells.every((cell) => cell !== null && inWords(cell) === inWords(first!));
  return { label, cells, best: best ? ahead(cells, best) : null, same };
}

/** The best cell; none if there is no second one, or if both show the same digits. */
function ahead(cells: readonly (Cell | null)[], { word, largest = false, onText = false, perToken = false }: NonNullable<Fact['best']>): Row['best'] {
  const ranked = cells
    .flatMap((cell, column) => (cell?.value === undefined ? [] : [{ column, text: cell.text, rank: largest ? -cell.value : cell.value }]))
    .sort((a, b) => a.rank - b.rank);
  const [best, second] = ranked;
  return best && second && best.text !== second.text ? { column: best.column, word, onText, perToken } : null;
}

/** A row for each kind of file with weights that any of the models has. */
function fileFacts(models: readonly LoadedModel[]): Fact[] {
  const labels = new Set(models.flatMap((model) => weightFiles(model).map(({ label }) => label)));
  return [...labels].map((label) => ({
    label,
    best: SMALLEST,
    of(model) {
      const file = weightFiles(model).find((file) => file.label === label);
      return file && { text: bytes(file.bytes), value: file.bytes, detail: file.served ? 'served' : undefined };
    },
  }));
}

function weightFiles(model: LoadedModel): { label: string; bytes: number; served: boolean }[] {
  const { files, variants } = model.manifest;
  return files.flatMap(({ path, role, bytes }) => {
    const stored = variants.find(({ file }) => file === path);
    if (stored) return [{ label: `ONNX, ${precision(stored.precision)}`, bytes, served: stored === variant(model) }];
    return role === 'weights' ? [{ label: 'As trained, safetensors', bytes, served: false }] : [];
  });
}

function texts({ manifest }: LoadedModel): Cell | null {
  const corpus = manifest.training?.corpus;
  if (!corpus?.length) return null;
  const parts = corpus.map(({ name, tokens }) => ({ text: name, detail: `${count(tokens)} tokens` }));
  return { text: corpus.length === 1 ? '1 text' : `${count(corpus.length)} texts`, parts };
}

function corpusTokens({ training }: LoadedModel['manifest']): number | undefined {
  return training?.corpus.reduce((sum, { tokens }) => sum + tokens, 0);
}

const perplexity = (value: number) => (value < 100 ? value.toFixed(1) : count(value));
const tokens = ({ tokens_generated: generated }: GenerateResponse) => `${count(generated)} ${generated === 1 ? 'token' : 'tokens'}`;
const inWords = ({ text, parts }: Cell) => [text, ...(parts ?? []).map((part) => `${part.text} ${part.detail}`)].join('\n');
