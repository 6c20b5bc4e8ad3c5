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

/** From the last vector to logits, to chances, to a token, which is fed back. */
export function NextToken(props: { view: View; settings: SamplingSettings; set: (settings: SamplingSettings) => void; walk: Walk }) {
  const { view, settings, set, walk } = props;
  const { next, model_info: info } = view.inspection;
  const { temperature, topK } = settings;
  // Of the first there is little to reckon.
  const [chosen, setChosen] = useState(1);
  const rank = Math.min(chosen, next.length - 1);
  const draw = useMemo(() => drawAt(next, temperature, topK), [next, temperature, topK]);
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
            is multiplied with the output head, a table of {vocabulary} columns: {vocabulary}{' '}
            <strong>logits</strong>, one for each token that could come next. The softmax makes probabilities of them:{' '}
            <em>e</em> to the power of each, divided by the sum of all.
          </p>
          <p>
            <strong>Temperature</strong> divides the logits first. Below 1 the likely becomes likelier, above 1 the rest
            catches up, and 0 always takes the first. <strong>Top-k</strong> cuts the list before the sum is made, so
            that a long tail of small mistakes cannot add up to a likely one.
          </p>
          <p>
            The token that is drawn is put behind the text, and all begins anew with a text that is one token longer.
            That is generation, all of it.
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
      </div>
      <Bars candidates={next} draw={draw} chosen={rank} choose={setChosen} drawn={walk.drawn} />
      <p class="figures bars-sum">
        The {draw.kept === 1 ? 'bar sums' : `${count(draw.kept)} bars sum`} to{' '}
        <strong class="number">{percent(draw.chances.reduce((total, chance) => total + chance, 0))}</strong>. By itself the
        model gives {draw.kept === 1 ? 'this token' : 'these tokens'} <strong class="number">{percent(draw.covered)}</strong>{' '}
        of its probability; the other {count(info.vocab_size - draw.kept)} share{' '}
        <span class="number">{percent(Math.max(0, 1 - draw.covered))}</span>. The draw is as open as one among{' '}
        <span class="number">{draw.choices.toFixed(1)}</span> equally likely tokens.
      </p>
    </Section>
  );
}
