import type { Answer } from './use-answers.ts';

/** Live region for screen readers: each answer once it is complete, not token by token. */
export function Announcer({ names, answers }: { names: readonly string[]; answers: readonly (Answer | null)[] }) {
  return (
    <div class="visually-hidden">
      {answers.map((answer, column) => (
        <p key={column} role="status">
          {answer ? inWords(names[column] ?? '', answer) : ''}
        </p>
      ))}
    </div>
  );
}

function inWords(name: string, { phase, text }: Answer): string {
  if (phase === 'done') return `${name} answers: ${text}`;
  if (phase === 'stopped') return `${name} was stopped after: ${text}`;
  // Errors announce themselves.
  return phase === 'failed' ? '' : `${name} is writing`;
}
