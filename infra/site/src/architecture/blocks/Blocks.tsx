import { useMemo } from 'preact/hooks';
import { count } from '../../components/format.ts';
import { meanDistance, meanOfHeads } from '../attention/patterns.ts';
import { BlockDrawing } from './BlockDrawing.tsx';
import { Choice } from '../../components/Choice.tsx';
import { MapCanvas } from '../attention/MapCanvas.tsx';
import { plural } from '../../components/text/pieces.ts';
import { Section } from '../shared/Section.tsx';
import type { View } from '../view.ts';

/** Transformer blocks: the chain of them with their mean attention, and the parts of one. */
export function Blocks({ view, layer, choose }: { view: View; layer: number; choose: (layer: number) => void }) {
  const { attention, tokens, model_info: info } = view.inspection;
  const means = useMemo(() => attention.map(meanOfHeads), [attention]);
  const back = useMemo(() => attention.map(meanDistance), [attention]);
  const { config } = view.details.manifest;
  return (
    <Section
      id="blocks"
      wide
      title={`${plural(info.layers, 'transformer block')}`}
      shape={`${count(tokens.length)} × ${count(info.embedding_dim)}`}
      words={
        <>
          <p>
            The vectors now pass through {plural(info.layers, 'transformer block')} of the same structure, each with
            weights of its own, which training has set. In a block, <strong>attention</strong> carries information from
            earlier tokens to later ones, then the <strong>feed-forward</strong> layer works on each token alone. Each block
            goes on from the result of the one before it.
          </p>
          <p>
            Each map shows where the tokens of your text take information from in one block: a row for each token, from top to
            bottom, and in it a cell for each token that it can look at; the darker, the more it takes from there. Below it:
            how many tokens back the block looks on average.
          </p>
        </>
      }
    >
      <div class="chain" style={{ '--layers': attention.length }}>
        <Choice
          label="Block"
          class="chain-blocks"
          count={attention.length}
          chosen={layer}
          onChoose={choose}
          describe={(index) => `Block ${index + 1}, attends ${plural(Number(back[index]?.toFixed(1)), 'token')} back on average`}
          itemClass={() => 'chain-block'}
        >
          {(index) => (
            <>
              <span class="chain-name">{index + 1}</span>
              <span class="map-box">
                <MapCanvas maps={[[means[index] ?? []]]} />
              </span>
              <span class="piece-note number">{back[index]?.toFixed(1)}</span>
            </>
          )}
        </Choice>
      </div>
      <div class="block-inside">
        <BlockDrawing config={config} />
        <dl class="explained">
          <div>
            <dt>Residual connections</dt>
            <dd>
              Each part adds its output to its input instead of replacing it. So the vector of a token, the residual stream,
              runs from the first block to the last, and each of the {plural(2 * info.layers, 'part')} only has to contribute
              a correction. In training, this lets even the first block learn from errors at the end.
            </dd>
          </div>
          <div>
            <dt>LayerNorm</dt>
            <dd>
              Adding makes numbers grow. Each part therefore reads a normalized copy, in which the{' '}
              {count(config.d_model)} numbers of a token have the mean 0 and a spread (variance) of 1, then a learned scale and
              shift. The residual stream itself is left as it is.
            </dd>
          </div>
          <div>
            <dt>Multi-head attention</dt>
            <dd>
              For each token, a head computes three vectors of {count(config.d_model / config.n_heads)} numbers: a
              query (what the token looks for), a key (what it offers) and a value (what it passes on). The better a
              query matches a key, the more of that token's value is taken. {count(config.n_heads)} heads do this in
              parallel, so that they can look for different things.
            </dd>
          </div>
          <div>
            <dt>Causal masking</dt>
            <dd>
              A token attends to itself and to earlier tokens, never to later ones: their scores are set to minus
              infinity, which the softmax turns into a weight of 0. So the model can be trained on all places of a text at
              once, since none sees the token that it has to guess; and when a token is added, nothing that was computed for
              the earlier ones changes, so it can be kept (the KV cache).
            </dd>
          </div>
          <div>
            <dt>Feed-forward, {(config.d_ff / config.d_model).toLocaleString('en')}× expansion</dt>
            <dd>
              The feed-forward layer expands {count(config.d_model)} numbers to {count(config.d_ff)}, applies the GELU
              activation, which lets positive numbers pass and holds back negative ones, and leads back to{' '}
              {count(config.d_model)}. Most of the weights of a block are here.
            </dd>
          </div>
        </dl>
      </div>
    </Section>
  );
}
