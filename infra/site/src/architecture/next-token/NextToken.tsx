import { useMemo, useState } from 'preact/hooks';
import { MAX_INSPECT_CANDIDATES } from '../../api/limits.ts';
import { count, percent } from '../../components/format.ts';
import { Bars } from './Bars.tsx';
import { SoftmaxSteps } from './SoftmaxSteps.tsx';
import { type SamplingSettings, drawAt } from './sampling.ts';
import { Slider } from '../shared/Slider.tsx';
import { Section } from '../shared/Section.tsx';
import type { View } from '../view.ts';
import type { Walk } from './walk.ts';
import { WalkPanel } from './WalkPanel.tsx';

/** Sampling of the next token: logits, softmax with temperature, top-k and top-p, the draw, step-by-step generation. */
export function NextToken(props: { view: View; settings: SamplingSettings; set: (settings: SamplingSettings) => void; walk: Walk }) {
  const { view, settings, set, walk } = props;
  const { next, model_info: info } = view.inspection;
  const { temperature, topK, topP } = settings;
  // The calculation of the first is trivial: its logit is the largest.
  const [chosen, setChosen] = useState(1);
  const rank = Math.min(chosen, next.length - 1);
  const draw = useMemo(() => drawAt(next, settings), [next, settings]);
  const vocabulary = count(info.vocab_size);
  return (
    <Section
      id="next"
      title="Logits become the next token"
      shape={`${vocabulary} → 1`}
      words={
        <>
          <p>
            After the last block there is one more LayerNorm. Then the vector of the <strong>last token</strong> alone
            is multiplied by the output head, a matrix of {vocabulary} columns. That gives {vocabulary} numbers, the{' '}
            <strong>logits</strong>, one for each token that could come next: the higher, the likelier. The{' '}
            <strong>softmax</strong> turns them into probabilities: <em>e</em> to the power of each, divided by the sum of all.
          </p>
          <p>
            <strong>Temperature</strong> divides the logits first: below 1 likely tokens become likelier, above 1 less
            likely, and 0 always takes the likeliest (greedy decoding). <strong>Top-k</strong> keeps only the k
            likeliest tokens, so that none of the many unlikely ones is ever drawn. <strong>Top-p</strong> then keeps only the
            first that together have the share p of what is left: few where the model is sure, many where it is not.
          </p>
          <p>
            The drawn token is put behind the text, and the longer text goes through the model again. That is how a model
            writes (autoregressive generation).
          </p>
        </>
      }
      aside={<SoftmaxSteps candidates={next} rank={rank} draw={draw} temperature={temperature} vocabulary={info.vocab_size} />}
    >
      <WalkPanel walk={walk} />
      <div class="sliders">
        <Slider
          label="Temperature"
          value={temperature}
          min={0}
          max={2}
          step={0.05}
          text={temperature.toFixed(2)}
          onInput={(value) => set({ ...settings, temperature: value })}
        />
        <Slider
          label="Top-k"
          value={topK}
          min={1}
          max={Math.min(MAX_INSPECT_CANDIDATES, info.vocab_size)}
          step={1}
          text={count(topK)}
          onInput={(value) => set({ ...settings, topK: value })}
        />
        <Slider
          label="Top-p"
          value={topP}
          min={0.05}
          max={1}
          step={0.05}
          text={topP.toFixed(2)}
          onInput={(value) => set({ ...settings, topP: value })}
        />
      </div>
      <Bars candidates={next} draw={draw} chosen={rank} choose={setChosen} drawn={walk.drawn} />
      <p class="figures bars-sum">
        The {draw.kept === 1 ? 'bar sums' : `${count(draw.kept)} bars sum`} to{' '}
        <strong class="number">{percent(draw.chances.reduce((total, chance) => total + chance, 0))}</strong>. Without
        temperature, top-k and top-p, {draw.kept === 1 ? 'this token has' : 'these tokens have'}{' '}
        <strong class="number">{percent(draw.covered)}</strong> of the probability and the other{' '}
        {count(info.vocab_size - draw.kept)} have <span class="number">{percent(Math.max(0, 1 - draw.covered))}</span>. The draw is as
        open as one among <span class="number">{draw.choices.toFixed(1)}</span> equally likely tokens (its perplexity).
      </p>
    </Section>
  );
}
