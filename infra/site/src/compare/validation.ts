import type { Manifest } from '../api/types.ts';

/** Why the validation losses of several models are not comparable. */
export type Incomparable = 'unknown' | 'corpus' | 'split' | 'tokenizer';

/** The bytes predicted of one text differ by its first token alone. */
const SAME_BYTES = 1.01;

/** Reason why the losses of these models are not comparable; null if they are of the same validation text. */
export function incomparable(manifests: readonly Manifest[]): Incomparable | null {
  if (manifests.length < 2) return null;
  const differ = (of: (manifest: Manifest) => unknown) => new Set(manifests.map((manifest) => JSON.stringify(of(manifest)))).size > 1;
  // The end of each text is for validation, so their order does not matter.
  const texts = ({ training }: Manifest) => training?.corpus.map(({ sha256 }) => sha256).sort();
  if (manifests.some((manifest) => !manifest.training)) return 'unknown';
  if (differ(texts)) return 'corpus';
  if (differ(({ training }) => training?.hyper_parameters['train_fraction'])) return 'split';
  if (!differ(({ tokenizer }) => tokenizer?.sha256)) return differ(({ evaluation }) => evaluation?.tokens) ? 'split' : null;
  const bytes = manifests.flatMap(({ evaluation }) => evaluation?.text_bytes ?? []);
  return Math.max(...bytes) > SAME_BYTES * Math.min(...bytes) ? 'split' : 'tokenizer';
}

/** The remark shown beside such losses. */
export const REMARKS: Record<Incomparable, string> = {
  corpus:
    'These models were trained and evaluated on different texts. Each loss measures how well a model predicts its own: ' +
    'the lower one may be of the better model, or only of the easier text.',
  split:
    'These models share their texts, but different parts of them were held out for validation: ' +
    'a small difference between their losses means nothing.',
  tokenizer:
    'These models use different tokenizers, and a loss is per token: ' +
    'the lower one may only be of the shorter tokens. Bits per byte compare them.',
  unknown: 'Not every manifest names the text of its validation loss, so these losses may not be comparable.',
};
