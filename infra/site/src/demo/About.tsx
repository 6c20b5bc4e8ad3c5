import type { ModelState } from '../api/types.ts';
import { LossCurve } from '../components/loss/LossCurve.tsx';
import { modelFacts } from './model-facts.ts';

/** Facts about the served model, from its manifest, with its loss curve. */
export function About({ state }: { state: ModelState | null }) {
  const facts = state ? modelFacts(state) : [];
  const curve = state?.curve ?? [];
  const name = state?.model?.name ?? '';
  return (
    <section class="card about" aria-labelledby="about-title">
      <div class="card-head">
        <h2 id="about-title">About this model</h2>
      </div>
      <div class="about-columns">
        {facts.length > 0 ? (
          <dl class="facts">
            {facts.map(([term, value]) => (
              <div key={term}>
                <dt>{term}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        ) : (
          <p class="soft">Known as soon as it is loaded.</p>
        )}
        {curve.length > 0 && <LossCurve run={{ name, curve }} />}
      </div>
    </section>
  );
}
