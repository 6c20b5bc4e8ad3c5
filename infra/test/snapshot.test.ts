/** Snapshots of the templates of stage prod: a change shows everything that it changes in them. */
import { expect, test } from 'vitest';
import { synthesizeStage } from './support.ts';

test.each(Object.entries(synthesizeStage('prod')))('%s', async (name, template) => {
  const stable = JSON.stringify(template.toJSON(), (key, value) => (key === 'Metadata' ? undefined : value), 1)
    // Hashes of files, and what follows from them.
    .replace(/[0-9a-f]{64}/g, '<sha256>')
    .replace(/(CurrentVersion[0-9A-F]{8})[0-9a-f]{32}/g, '$1<hash>');
  await expect(`${stable}\n`).toMatchFileSnapshot(`snapshots/${name}.json`);
});
