import { expect, test } from 'vitest';
import type { ModelState } from '../../api/types.ts';
import { inWords } from '../loss/LossCurve.tsx';
import { describe } from './Status.tsx';

const nothing: ModelState = { status: 'loading', reason: null, loading: null, model: null, model_info: null, manifest: null, curve: [], start: null };

test('before the first answer it connects; a server that takes longer is waking up', () => {
  expect(describe(null, 100).text.title).toBe('Connecting');
  expect(describe(null, 1500).text).toEqual({ title: 'Waking up', detail: 'starting the server', seconds: 1.5 });
});

test('a cold start says what it is doing', () => {
  const steps = (['channel', 'files', 'weights'] as const).map((step) => describe({ ...nothing, loading: { step, seconds: 1.2 } }, 0));
  expect(steps.map(({ text }) => text.detail)).toEqual(['reading which version is live', 'fetching its files', 'loading its weights']);
  expect(steps[0]).toMatchObject({ tone: 'busy', text: { title: 'Waking up', seconds: 1.2 } });
  expect(describe(nothing, 0).text.detail).toBe('about to load the model');
});

test('a model that is ready is named, one that is missing has a reason', () => {
  const model = { name: 'tiny', version: '1', precision: 'w4' };
  expect(describe({ ...nothing, status: 'ready', model }, 9999)).toEqual({ tone: 'ready', text: { title: 'Ready', detail: 'tiny, 4-bit weights' } });
  const missing = describe({ ...nothing, status: 'unavailable', reason: 'its channel names none yet' }, 0);
  expect(missing).toEqual({ tone: 'none', text: { title: 'No model', detail: 'its channel names none yet; looking again' } });
});

test('a loss curve has words', () => {
  const point = { epoch: 1, seconds: 0, step: 0, tokens_seen: 0, train_loss: 11, val_loss: 10.9 };
  const last = { ...point, step: 72, tokens_seen: 9216, train_loss: 5.9328, val_loss: 6.5613 };
  expect(inWords({ name: 'tiny', curve: [point, last] })).toBe(
    'tiny: over 72 steps and 9,216 tokens the validation loss went from 10.900 to 6.561, the training loss from 11.000 to 5.933.',
  );
  expect(inWords({ name: 'tiny', curve: [] })).toBe('tiny: no losses were recorded.');
});
