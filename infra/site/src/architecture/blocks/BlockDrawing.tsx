import type { ComponentChildren } from 'preact';
import type { Manifest } from '../../api/types.ts';
import { count } from '../../components/format.ts';

/** x of the residual stream, and of the middle of the parts beside it. */
const STREAM = 40;
const PARTS = 208;
/** Width of a part that is as wide as the stream. */
const NARROW = 84;

/** Drawing of a transformer block: the residual stream, and two parts that read from it and add to it. */
export function BlockDrawing({ config }: { config: Manifest['config'] }) {
  const { d_model: width, d_ff: inner, n_heads: heads } = config;
  // True to scale, as far as there is room.
  const wide = Math.min(NARROW * (inner / width), 268);
  const label =
    `A transformer block. The residual stream of ${count(width)} numbers for each token runs through it. First part: LayerNorm, attention with ` +
    `${count(heads)} heads, added to the stream. Second part: LayerNorm, ${count(width)} to ${count(inner)} numbers, GELU, ` +
    `back to ${count(width)}, added to the stream.`;
  return (
    <svg class="block-drawing" viewBox="0 0 344 470" role="img" aria-label={label}>
      <path class="stream" d={`M${STREAM} 18V452`} />
      <path class="stream-tip" d={`M${STREAM - 6} 448l6 10 6-10z`} />
      <text class="small" x={STREAM + 12} y="24">
        in: {count(width)} numbers per token
      </text>

      <Branch from={52} to={192}>
        <Box y={68} width={NARROW} text="LayerNorm" kind="norm" />
        <Heads y={112} heads={heads} />
      </Branch>
      <Branch from={226} to={420}>
        <Box y={242} width={NARROW} text="LayerNorm" kind="norm" />
        <Box y={286} width={wide} text={`${count(width)} → ${count(inner)}`} kind="wide" />
        <Box y={330} width={wide} text="GELU" kind="gelu" />
        <Box y={374} width={NARROW} text={`→ ${count(width)}`} kind="wide" />
      </Branch>
      <text class="small" x={STREAM + 12} y="458">
        out: to the next block
      </text>
    </svg>
  );
}

/** A residual connection: from the stream through some parts, and back to it, where the result is added. */
function Branch({ from, to, children }: { from: number; to: number; children: ComponentChildren }) {
  return (
    <g>
      <path class="branch" d={`M${STREAM} ${from}H${PARTS}V${to}H${STREAM + 14}`} />
      {children}
      <circle class="adder" cx={STREAM} cy={to} r="11" />
      <path class="adder-sign" d={`M${STREAM - 5} ${to}h10M${STREAM} ${to - 5}v10`} />
    </g>
  );
}

function Box({ y, width, text, kind }: { y: number; width: number; text: string; kind: string }) {
  return (
    <g>
      <rect class={`part part-${kind}`} x={PARTS - width / 2} y={y} width={width} height="28" rx="6" />
      <text x={PARTS} y={y + 19} text-anchor="middle">
        {text}
      </text>
    </g>
  );
}

/** A small box for each head, side by side. */
function Heads({ y, heads }: { y: number; heads: number }) {
  const total = 216;
  const step = total / heads;
  return (
    <g>
      <rect class="part part-attention" x={PARTS - total / 2 - 8} y={y} width={total + 16} height="64" rx="6" />
      <text x={PARTS} y={y + 19} text-anchor="middle">
        attention, {count(heads)} {heads === 1 ? 'head' : 'heads'}
      </text>
      {Array.from({ length: heads }, (_, head) => (
        <rect
          key={head}
          class="head"
          x={PARTS - total / 2 + head * step + step * 0.1}
          y={y + 30}
          width={step * 0.8}
          height="24"
          rx={Math.min(3, step * 0.2)}
        />
      ))}
    </g>
  );
}
