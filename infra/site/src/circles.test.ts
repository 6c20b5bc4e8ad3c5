/** Import circles between the modules of the site; imports of types count too. */
import { fileURLToPath } from 'node:url';
import { parseCircular, parseDependencyTree } from 'dpdm';
import { expect, test } from 'vitest';

test('no modules import each other in a circle', async () => {
  const cwd = fileURLToPath(new URL('.', import.meta.url));
  const tree = await parseDependencyTree('**/*.{ts,tsx}', { cwd, context: cwd });
  expect(Object.keys(tree)).toContain('architecture/Architecture.tsx');
  expect(parseCircular(tree)).toEqual([]);
}, 60_000);
