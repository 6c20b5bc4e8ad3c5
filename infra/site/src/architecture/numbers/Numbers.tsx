import { bytes, count, large, loss, percent, precision } from '../../components/format.ts';
import { parameterParts } from './parameters.ts';
import { Section } from '../shared/Section.tsx';
import type { LoadedModel } from '../../api/loaded-model.ts';

/** What the model is made of, and how exact the form is in which it is served. */
export function Numbers({ details }: { details: LoadedModel }) {
  const { manifest, model_info: info, model } = details;
  const served = manifest.variants.find((variant) => variant.precision === model.precision);
  const parts = parameterParts(manifest.config, info.parameters);
  return (
    <Section
      id="numbers"
      title="The model in numbers"
      shape={`${large(info.parameters)} parameters`}
      words={
        <>
          <p>
            Parameters are what training may move: tables, matrices, biases. A large vocabulary is dear to a small
            model: each token needs a row on the way in and a column on the way out.
          </p>
          <p>
            Trained are numbers of 32 bits; served are fewer bits, in blocks with a scale each, so that less has to be
            loaded and read for every token. What this costs was <strong>measured</strong>, not assumed: each form was
            run on the validation text beside the trained model.
          </p>
        </>
      }
    >
      <dl class="big-numbers">
        <Big name="parameters" value={count(info.parameters)} />
        <Big name="blocks" value={count(info.layers)} />
        <Big name="heads in each" value={count(info.heads)} />
        <Big name="width" value={count(info.embedding_dim)} />
        <Big name="positions" value={count(info.context_length)} />
        <Big name="vocabulary" value={count(info.vocab_size)} />
        {served && <Big name={`on disk, ${precision(served.precision)}`} value={bytes(served.bytes)} />}
        {served && <Big name="divergence, nats" value={distance(served.kl_divergence)} />}
      </dl>
      {parts && (
        <>
          <h3>Where the parameters are</h3>
          <div class="parts-bar" aria-hidden="true">
            {parts.map(({ name, parameters }, index) => (
              <span key={name} class={`parts-${index}`} style={{ flexGrow: parameters }} />
            ))}
          </div>
          <div class="table-box">
            <table class="table parts-table">
              <thead>
                <tr>
                  <th scope="col">Part</th>
                  <th scope="col">Parameters</th>
                  <th scope="col">Share</th>
                  <th scope="col" class="wide-only">
                    How they are counted
                  </th>
                </tr>
              </thead>
              <tbody>
                {parts.map(({ name, parameters, formula }, index) => (
                  <tr key={name}>
                    <th scope="row">
                      <span class={`swatch parts-${index}`} aria-hidden="true" />
                      {name}
                    </th>
                    <td>{count(parameters)}</td>
                    <td>{percent(parameters / info.parameters)}</td>
                    <td class="soft wide-only">{formula}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
      <h3>Forms in which it can be served</h3>
      <div class="table-box" tabIndex={0} role="group" aria-label="Forms in which it can be served">
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Form</th>
              <th scope="col">Size</th>
              <th scope="col">Bits a parameter</th>
              <th scope="col">Validation loss</th>
              <th scope="col">Divergence, nats</th>
              <th scope="col">Same first choice</th>
              <th scope="col">Largest logit error</th>
            </tr>
          </thead>
          <tbody>
            {manifest.variants.map((variant) => (
              <tr key={variant.precision} class={variant === served ? 'is-served' : ''}>
                <th scope="row">
                  {precision(variant.precision)}
                  {variant === served && <span class="badge">served</span>}
                </th>
                <td>{bytes(variant.bytes)}</td>
                <td>{((8 * variant.bytes) / info.parameters).toFixed(1)}</td>
                <td>{variant.val_loss === null ? '–' : loss(variant.val_loss)}</td>
                <td>{distance(variant.kl_divergence)}</td>
                <td>{percent(variant.top_1_agreement)}</td>
                <td>{distance(variant.largest_logit_difference)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="figures soft">
        Divergence is that of Kullback and Leibler, of the next token's distribution, from the trained model's. All forms
        come from version <code>{manifest.version}</code> of <code>{manifest.name}</code>.
      </p>
    </Section>
  );
}

function Big({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="number">{value}</dd>
    </div>
  );
}

/** Two digits that count; what is below a millionth is rounding. */
function distance(value: number): string {
  if (value < 1e-6) return '< 0.000001';
  return value < 0.1 ? value.toFixed(Math.ceil(-Math.log10(value)) + 1) : value.toFixed(2);
}
