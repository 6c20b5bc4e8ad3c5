import { bytes, count } from '../../components/format.ts';
import type { LoadedModel } from '../../api/loaded-model.ts';

/** Diagram of the system: training job, store, function, page; a list that the stylesheet draws as a chain. */
export function SystemDrawing({ details }: { details: LoadedModel }) {
  const { manifest, model } = details;
  const file = manifest.variants.find((variant) => variant.precision === model.precision);
  const nodes = [
    {
      name: 'Training job',
      icon: <path d="M4 19h16M5 6c2 9 5 10 14 10" />,
      lines: ['reads texts, trains, measures', manifest.training ? `${count(manifest.training.steps)} steps for this version` : null],
      life: 'exists while it trains',
      then: 'publishes',
    },
    {
      name: 'Store',
      icon: <path d="M4 7h16v4H4zM4 13h16v4H4zM7 9h2M7 15h2" />,
      lines: [`${count(manifest.files.length)} files with their hashes`, 'a channel is the alias of the live version'],
      life: 'costs its storage only',
      then: 'is read by',
    },
    {
      name: 'Function',
      icon: <path d="M7 20 17 4M6 4c5 0 5 16 11 16" />,
      lines: [file ? `loads ${bytes(file.bytes)}, then answers` : 'loads the model, then answers', 'scales with the requests'],
      life: 'scales to zero',
      then: 'answers',
    },
    {
      name: 'This page',
      icon: <path d="M3 5h18v14H3zM3 9h18M6 13h7M6 16h4" />,
      lines: ['static files', 'computes the bars, requests the rest'],
      life: 'runs on your machine',
      then: null,
    },
  ];
  return (
    <ol class="system" aria-label="From training to this page">
      {nodes.map(({ name, icon, lines, life, then }) => (
        <li key={name} class="system-node">
          <svg class="system-icon" viewBox="0 0 24 24" aria-hidden="true">
            {icon}
          </svg>
          <strong>{name}</strong>
          {lines.map((line) => line && <span key={line}>{line}</span>)}
          <span class="system-life">{life}</span>
          {then && <span class="system-then">{then}</span>}
        </li>
      ))}
    </ol>
  );
}
