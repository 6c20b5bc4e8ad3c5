import type { Manifest } from '../api/types.ts';

/** Why losses of several models say nothing about which predicts better. */
export type Incomparable = 'unknown' | 'corpus' | 'split' | 'tokenizer';

/** What makes the losses of these models incomparable; null if they were judged on the same text. */
export function incomparable(manifests: readonly Manifest[]): Incomparable | null {
  if (manifests.length < 2) return null;
  const differ = (of: (manifest: Manifest) => unknown) => new Set(manifests.map((manifest) => JSON.stringify(of(manifest)))).size > 1;
  // The end of each text is for validation, so their order does not matter.
  const texts = ({ training }: Manifest) => training?.corpus.map(({ sha256 }) => sha256).sort();
  if (manifests.some((manifest) => !manifest.training)) return 'unknown';
  if (differ(texts)) return 'corpus';
  if (differ(({ training, evaluation }) => [training?.hyper_parameters['train_fraction'], evaluation?.tokens])) return 'split';
  return differ(({ tokenizer }) => tokenizer?.sha256) ? 'tokenizer' : null;
}

/** The remark that belongs beside such losses. */
export const REMARKS: Record<Incomparable, string> = {
  corpus:
    'These models were trained and judged on different texts. Each loss tells how well a model predicts its own: ' +
    'the lower one may be the better model, or merely have had the easier text.',
  split:
    'These models share their texts, but different parts of them were kept for validation: ' +
    'a small distance between their losses says nothing.',
  tokenizer:
    'These models cut texts into different tokens, and a loss is told per token: ' +
    'the lower one may merely have the shorter tokens.',
  unknown: 'Not every manifest tells on which text its model was judged: it is not known whether these losses can be compared.',
};
