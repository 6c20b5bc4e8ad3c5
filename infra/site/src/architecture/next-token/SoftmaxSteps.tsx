import type { Candidate } from '../../api/types.ts';
import { count, percent } from '../../components/format.ts';
import { quoted, visible } from '../../components/text/pieces.ts';
import type { Draw } from './sampling.ts';

/** The softmax of one candidate, step by step: from its logit to its chance. */
export function SoftmaxSteps(props: {
  candidates: readonly Candidate[];
  rank: number;
  draw: Draw;
  temperature: number;
  vocabulary: number;
}) {
  const { candidates, rank, draw, temperature } = props;
  const candidate = candidates[rank];
  const first = candidates[0];
  if (!candidate || !first) return null;
  const cut = rank >= draw.kept;
  const scaled = (candidate.logit - first.logit) / temperature;
  // With e to the power of the largest logit as the unit, its own weight is 1.
  const all = 1 / first.probability;
  return (
    <div class="softmax-steps">
      <h3>
        Softmax of <code title={quoted(candidate.text)}>{visible(candidate.text)}</code>
      </h3>
      <dl>
        <dt>logit, minus the largest</dt>
        <dd>
          {fixed(candidate.logit)} − {first.logit < 0 ? `(${fixed(first.logit)})` : fixed(first.logit)} ={' '}
          {fixed(candidate.logit - first.logit)}
        </dd>
        <dt>probability without temperature, top-k and top-p</dt>
        <dd>
          e^{fixed(candidate.logit - first.logit)} ÷ {all.toFixed(2)} = {percent(candidate.probability, 2)}
        </dd>
        <dt>divided by the temperature</dt>
        <dd>{temperature === 0 ? 'greedy: the first is taken' : `÷ ${temperature.toFixed(2)} = ${fixed(scaled)}`}</dd>
        <dt>weight</dt>
        <dd>{cut ? `cut by ${rank < draw.keptByTopK ? 'top-p' : 'top-k'}: 0` : temperature === 0 ? '1' : `e^${fixed(scaled)} = ${small(draw.weights[rank] ?? 0)}`}</dd>
        <dt>divided by the sum of {draw.kept === 1 ? '1 weight' : `${count(draw.kept)} weights`}</dt>
        <dd>
          ÷ {draw.total.toFixed(2)} = <strong>{percent(draw.chances[rank] ?? 0, 2)}</strong>
        </dd>
      </dl>
      <p class="soft">
        {all.toFixed(2)} is the same sum over all {count(props.vocabulary)} logits at temperature 1. Subtracting the
        largest logit first changes no result and avoids overflow.
      </p>
    </div>
  );
}

const fixed = (number: number) => number.toFixed(3).replace('-', '−');
const small = (weight: number) => (weight >= 0.001 || weight === 0 ? weight.toFixed(4) : weight.toExponential(1).replace('e-', ' × 10^−'));
