import type { LoadedModel } from '../api/loaded-model.ts';
import { verdictOn } from './verdict.ts';

/** The verdict on the models in words, once all of them are known. */
export function Verdict({ names, models }: { names: readonly string[]; models: readonly (LoadedModel | null)[] }) {
  const judged = models.flatMap((model, column) =>
    model ? [{ name: names[column] ?? '', manifest: model.manifest, precision: model.model.precision }] : [],
  );
  const sentences = judged.length === models.length ? verdictOn(judged) : [];
  const [first, ...more] = sentences;
  return (
    <section class="card compare-section verdict" aria-labelledby="verdict">
      <h2 id="verdict">Verdict</h2>
      {first ? <p class="verdict-first">{first}</p> : <p class="soft">It comes once {models.length > 1 ? 'all models are' : 'the model is'} loaded.</p>}
      {more.length > 0 && (
        <ul class="soft">
          {more.map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ul>
      )}
      <p class="verdict-source soft">
        Computed from the losses in the {models.length > 1 ? 'manifests' : 'manifest'}. A loss is lower the more probable the model finds the right
        next token; what it has not seen is the end of its text, held back from training.
      </p>
    </section>
  );
}
