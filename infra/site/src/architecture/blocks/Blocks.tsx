import { useMemo } from 'preact/hooks';
import { count } from '../../components/format.ts';
import { meanDistance, meanOfHeads } from '../attention/patterns.ts';
import { BlockDrawing } from './BlockDrawing.tsx';
import { Choice } from '../shared/Choice.tsx';
import { MapCanvas } from '../attention/MapCanvas.tsx';
import { plural } from '../shared/pieces.ts';
import { Section } from '../shared/Section.tsx';
import type { View } from '../view.ts';

/** The chain of blocks, and what is inside one. */
export function Blocks({ view, layer, choose }: { view: View; layer: number; choose: (layer: number) => void }) {
  const { attention, tokens, model_info: info } = view.inspection;
  const means = useMemo(() => attention.map(meanOfHeads), [attention]);
  const back = useMemo(() => attention.map(meanDistance), [attention]);
  const { config } = view.details.manifest;
  return (
    <Section
      id="blocks"
      wide
      title={`${plural(info.layers, 'block')} in a row`}
      shape={`${count(tokens.length)} × ${count(info.embedding_dim)}`}
      words={
        <>
          <p>
            The vectors now pass through {plural(info.layers, 'block')} of the same build, each with weights of its own.
            A block does two things: <strong>attention</strong> moves information between tokens, then the{' '}
            <strong>feed-forward</strong> layer works on each token alone. Then the next block does the same with
            something more refined.
          </p>
          <p>
            Each map is what attention did in a block with your text: a row for each token, and in it how much it took
            from those before. Below it: how many tokens back the block looks on average.
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
          describe={(index) => `Block ${index + 1}, looks ${plural(Number(back[index]?.toFixed(1)), 'token')} back`}
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
            <dt>Residuals</dt>
            <dd>
              No part replaces its input: it adds to it. So the vector of a token is a shared notebook from the first
              block to the last, and in training the correction reaches even the first block along the same straight
              line, undiminished by the {plural(2 * info.layers, 'part')} in between.
            </dd>
          </div>
          <div>
            <dt>LayerNorm</dt>
            <dd>
              Everybody adds, so numbers would grow. Each part therefore reads a copy in which the{' '}
              {count(config.d_model)} numbers of a token have the mean 0 and the variance 1, then scaled and shifted as
              was learned. What is written in the notebook itself stays as it is.
            </dd>
          </div>
          <div>
            <dt>Multi-head attention</dt>
            <dd>
              From each token, a head computes three short vectors of {count(config.d_model / config.n_heads)} numbers:
              what I look for (query), what I offer (key), what I hand over (value). Where a query meets a key that
              fits, the value flows. {count(config.n_heads)} heads do this side by side, so that one can follow the
              grammar while another looks for names.
            </dd>
          </div>
          <div>
            <dt>Causal masking</dt>
            <dd>
              A token may look at itself and backwards, never ahead: the scores of later tokens are set to minus
              infinity, which the softmax makes 0. Only so can a text train all its positions at once, for none sees
              its own answer. And what was computed for earlier tokens stays valid when a new one is added.
            </dd>
          </div>
          <div>
            <dt>{(config.d_ff / config.d_model).toLocaleString('en')}× expansion</dt>
            <dd>
              The feed-forward layer opens {count(config.d_model)} numbers to {count(config.d_ff)}, lets the GELU hold
              back what is negative, and folds the rest back to {count(config.d_model)}. The many numbers between are
              detectors, each for a pattern of its own; most of what a model knows by heart lies here.
            </dd>
          </div>
        </dl>
      </div>
    </Section>
  );
}
