import type { Manifest } from '../../api/types.ts';
import { sum } from '../shared/sum.ts';

/** A part of a model, and how many of its parameters it holds. */
export interface Part {
  readonly name: string;
  /** How the count comes about, for who wants to follow it. */
  readonly formula: string;
  readonly parameters: number;
}

/** Where a model's parameters are; null if the count is not the model's, which then is built in another way. */
export function parameterParts(config: Manifest['config'], parameters: number): Part[] | null {
  const { vocab_size: vocab, context_length: context, d_model: width, n_layers: layers, d_ff: inner } = config;
  const bias = config.qkv_bias ? 3 * width : 0;
  const parts: Part[] = [
    { name: 'Token table', formula: 'vocabulary × width', parameters: vocab * width },
    { name: 'Position table', formula: 'context × width', parameters: context * width },
    {
      name: 'Attention',
      formula: 'layers × (4 × width² + biases)',
      parameters: layers * (4 * width * width + width + bias),
    },
    {
      name: 'Feed-forward',
      formula: 'layers × (2 × width × inner width + biases)',
      parameters: layers * (2 * width * inner + inner + width),
    },
    { name: 'LayerNorm', formula: '(2 × layers + 1) × 2 × width', parameters: (2 * layers + 1) * 2 * width },
    {
      name: 'Output head',
      formula: config.tied_output_head ? 'shares the token table' : 'width × vocabulary',
      parameters: config.tied_output_head ? 0 : width * vocab,
    },
  ];
  return sum(parts.map((part) => part.parameters)) === parameters ? parts : null;
}
