/** The snippets on the demo page: run as they stand, they give the text of the page. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { demo } from './demo-page.ts';
import { browserAndServer, expectAccessible, newPage, testFolder } from './harness.ts';
import { REPOSITORY } from './programs.ts';

const run = promisify(execFile);
/** Python with OpenAI's client, which `scripts/setup.sh --site` installs. */
const PYTHON = join(REPOSITORY, 'target/site-venv/bin/python');

const shared = browserAndServer();

test('curl, Python and JavaScript give the text that the page shows', async () => {
  const { page, close } = await newPage(shared.browser);
  const ui = demo(page);
  await ui.open(shared.server.url);
  await ui.option('Temperature').fill('0.9');
  await ui.option('Top-p').fill('0.95');
  await ui.option('Length').fill('12');
  await ui.option('Seed').fill('42');
  await ui.prompt.fill(`It's "ä😀" & \\n $HOME\nthen`);
  await ui.prompt.press('Enter');
  await ui.done();
  const text = await ui.text.textContent();
  await page.getByText('Use it from curl').click();
  const codeIn = async (language: string) => {
    await page.getByRole('radio', { name: language }).click();
    return (await page.getByRole('group', { name: `The call in ${language}` }).textContent()) ?? '';
  };
  const folder = await testFolder();
  const { stdout: json } = await run('bash', ['-c', await codeIn('curl')]);
  expect(JSON.parse(json).response).toBe(text);
  const module = join(folder, 'call.mjs');
  await writeFile(module, await codeIn('JavaScript'));
  expect((await run(process.execPath, [module])).stdout).toBe(`${text}\n`);
  const script = join(folder, 'call.py');
  await writeFile(script, await codeIn('Python'));
  const env = { ...process.env, PYTHONIOENCODING: 'utf-8' };
  expect((await run(PYTHON, [script], { env })).stdout).toBe(`${text}\n`);
  await expectAccessible(page);
  const docs = await page.getByRole('link', { name: 'All of the API' }).getAttribute('href');
  expect((await fetch(docs ?? '')).status).toBe(200);
  await close();
});
