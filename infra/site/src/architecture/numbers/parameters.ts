import type { Manifest } from '../../api/types.ts';
import { sum } from '../shared/sum.ts';

/** A part of a model, and how many of its parameters it holds. */
export interface Part {
  readonly name: string;
  /** The formula of the count, in words. */
  readonly formula: string;
  readonly parameters: number;
}

/** Parameters by part; null if they do not add up to `parameters`, since the model then has another structure. */
export function parameterParts(config: Manifest['config'], parameters: number): Part[] | null {
  const { vocab_size: vocab, context_length: context, d_model: width, n_layers: layers, d_ff: inner } = config;
  const bias = config.qkv_bias ? 3 * width : 0;
  const parts: Part[] = [
    { name: 'Token embedding', formula: 'vocabulary × width', parameters: vocab * width },
    { name: 'Position embedding', formula: 'context × width', parameters: context * width },
    {
      name: 'Attention',
      formula: 'layers × (4 × width² + biases)',
      parameters: layers * (4 * width * width + width + bias),
    },
    {
      name: 'Feed-forward',
      formula: 'layers × (2 × width × hidden width + biases)',
      parameters: layers * (2 * width * inner + inner + width),
    },
    { name: 'LayerNorm', formula: '(2 × layers + 1) × 2 × width', parameters: (2 * layers + 1) * 2 * width },
    {
      name: 'Output head',
      formula: config.tied_output_head ? 'shares the token embedding' : 'width × vocabulary',
      parameters: config.tied_output_head ? 0 : width * vocab,
    },
  ];
  return sum(parts.map((part) => part.parameters)) === parameters ? parts : null;
}
