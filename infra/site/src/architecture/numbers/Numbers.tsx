import { bytes, count, large, loss, percent, precision } from '../../components/format.ts';
import { parameterParts } from './parameters.ts';
import { Section } from '../shared/Section.tsx';
import type { LoadedModel } from '../../api/loaded-model.ts';

/** Parameters of the model by part, and its quantized variants with what quantization costs. */
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
            Parameters are the numbers that training changes: embeddings, matrices, biases. A large vocabulary is
            expensive for a small model: each token needs a row of the embedding and a column of the output head.
          </p>
          <p>
            Each is trained as a number of 32 bits. For serving they are rounded to 8 or 4 bits (w8, w4;{' '}
            <strong>quantization</strong>), so that less has to be loaded, and read for every token. What that costs was
            measured: each variant read the validation text, and its predictions were compared with the trained model's.
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
        {served && <Big name="KL divergence from float32" value={distance(served.kl_divergence)} />}
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
      <h3>Variants by precision</h3>
      <div class="table-box" tabIndex={0} role="group" aria-label="Variants by precision">
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Variant</th>
              <th scope="col">Size</th>
              <th scope="col">Bits per parameter</th>
              <th scope="col">Validation loss</th>
              <th scope="col">Bits per byte</th>
              <th scope="col">KL divergence, nats</th>
              <th scope="col">Top-1 agreement</th>
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
                <td>{variant.bits_per_byte === undefined ? '–' : loss(variant.bits_per_byte)}</td>
                <td>{distance(variant.kl_divergence)}</td>
                <td>{percent(variant.top_1_agreement)}</td>
                <td>{distance(variant.largest_logit_difference)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="figures soft">
        KL divergence: how far the probabilities of the next token are from the trained model's, 0 if they are the same.
        Top-1 agreement: how often both find the same token likeliest. All variants belong to version <code>{manifest.version}</code> of <code>{manifest.name}</code>.
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

/** Two significant digits; below a millionth it is rounding. */
function distance(value: number): string {
  if (value < 1e-6) return '< 0.000001';
  return value < 0.1 ? value.toFixed(Math.ceil(-Math.log10(value)) + 1) : value.toFixed(2);
}
