/** Import circles between the modules of the app; imports of types count too. */
import { parseCircular, parseDependencyTree } from 'dpdm';
import { expect, test } from 'vitest';
import { PROJECT_FOLDER } from '../lib/paths.ts';

test('no modules import each other in a circle', async () => {
  const files = ['bin/*.ts', 'deploy/*.ts', 'lib/**/*.ts'];
  const tree = await parseDependencyTree(files, { cwd: PROJECT_FOLDER, context: PROJECT_FOLDER });
  expect(Object.keys(tree)).toContain('lib/stage.ts');
  expect(parseCircular(tree)).toEqual([]);
});
