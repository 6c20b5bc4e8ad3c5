/** The demo page on a real model: generating, streaming, stopping, copying, sharing, history. */
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { demo } from './demo-page.ts';
import { CORPUS, type Server, newPage, pressOnce, startBrowser, startServer, temporaryFolder, tinyStore, trainTiny } from './harness.ts';

let browser: Browser;
let server: Server;
/** Its model is as small but deep, so that a text of 1000 tokens takes a second or two. */
let slowServer: Server;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  const slowStore = join(folder.path, 'slow');
  const quick = ['--max-steps', '1', '--set', 'training.final_evaluation_windows=2'];
  await trainTiny(CORPUS, slowStore, ['--set', 'model.n_layers=48', ...quick]);
  browser = await startBrowser();
  server = await startServer(tinyStore());
  slowServer = await startServer(slowStore, ['--precision', 'float32']);
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
  await slowServer?.stop();
  await folder?.remove();
});

test('Enter sends, the text streams, and its times are those of the API', async () => {
  const { page, close } = await newPage(browser);
  const ui = demo(page);
  // Keeps a copy of what the server sends.
  await page.addInitScript(() => {
    const ask = window.fetch;
    window.fetch = async (...request) => {
      const response = await ask(...request);
      if (response.url.endsWith('/generate')) void response.clone().text().then((events) => Object.assign(window, { events }));
      return response;
    };
  });
  await ui.open(slowServer.url);
  await ui.option('Length').fill('300');
  // How long the text was, each time that it changed.
  await page.evaluate(() => {
    const lengths: number[] = [];
    Object.assign(window, { lengths });
    const note = () => lengths.push(document.querySelector('.sheet-new')?.textContent.length ?? 0);
    new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  await ui.prompt.fill('Every April,');
  await ui.prompt.press('Shift+Enter');
  await ui.prompt.pressSequentially('in the');
  await ui.prompt.press('Enter');
  await ui.done();

  const events = String(await (await page.waitForFunction(() => (window as unknown as { events?: string }).events)).jsonValue());
  const last = JSON.parse(/event: done\ndata: (.*)/.exec(events)?.[1] ?? '');
  expect(last.prompt).toBe('Every April,\nin the');
  expect(await ui.text.textContent()).toBe(last.response);
  const facts = await ui.facts.innerText();
  const seconds = last.timing.total_ms / 1000;
  expect(facts).toContain(`Generated in ${seconds.toFixed(seconds < 1 ? 2 : 1)}s`);
  expect(facts).toContain('300 tokens');
  expect(facts).toContain(`${last.timing.tokens_per_second} tokens/s`);
  // That is what the reader saw, which the server cannot know.
  const firstTokenMs = Number(/first token after ([\d.]+) ms/.exec(facts)?.[1]);
  expect(firstTokenMs).toBeGreaterThan(last.timing.first_token_ms);
  expect(firstTokenMs).toBeLessThan(await page.evaluate(() => performance.now()));
  expect(facts).toContain(`seed ${last.seed}`);
  const lengths = await page.evaluate(() => (window as unknown as { lengths: number[] }).lengths);
  expect(new Set(lengths).size).toBeGreaterThan(5);
  await close();
});

test('what the controls say is what is asked for', async () => {
  const { page, close } = await newPage(browser);
  const ui = demo(page);
  await ui.open(server.url);
  const ask = async () => {
    const [request] = await Promise.all([page.waitForRequest('**/generate'), ui.prompt.press('Enter')]);
    await ui.done();
    return request.postDataJSON();
  };
  await ui.prompt.fill('Hello');
  const { seed, ...rest } = await ask();
  expect(rest).toEqual({ prompt: 'Hello', temperature: 0.7, top_k: 50, max_tokens: 50, stream: true });
  expect(Number.isInteger(seed)).toBe(true);

  await ui.option('Temperature').fill('0.25');
  await ui.option('Top-k, slider').fill('7');
  await ui.option('Top-p').fill('0.9');
  await ui.option('Length').fill('12');
  await ui.option('Seed').fill('42');
  const all = { prompt: 'Hello', temperature: 0.25, top_k: 7, top_p: 0.9, max_tokens: 12, seed: 42, stream: true };
  expect(await ask()).toEqual(all);

  // What the API would refuse is not taken, and the field says so until one leaves it.
  await ui.option('Length').fill('1001');
  expect(await ui.option('Length').getAttribute('aria-invalid')).toBe('true');
  await page.getByText('A whole number from 1 to 1,000.').waitFor();
  await ui.option('Length').blur();
  expect(await page.getByText('A whole number from').count()).toBe(0);
  expect(await ui.option('Length').inputValue()).toBe('12');
  expect(await ask()).toEqual(all);
  await page.getByRole('button', { name: 'Reset' }).click();
  expect(await ui.option('Temperature').inputValue()).toBe('0.7');
  await close();
});

test.each([{ button: 'Stop' }, { key: 'Escape' }] as const)('stops by %o, here and on the server', async (press) => {
  const { page, close } = await newPage(browser);
  const ui = demo(page);
  await ui.open(slowServer.url);
  const before = slowServer.log().length;
  await ui.option('Length').fill('1000');
  await ui.prompt.fill('Every April, in the');
  await pressOnce(page, '.sheet-new', /\w/, press);
  await ui.send.click();
  await ui.facts.getByText('Stopped after').waitFor();
  const text = await ui.text.textContent();
  await expect
    .poll(() => slowServer.log().slice(before), { timeout: 20_000 })
    .toContain('the client left before the text was complete');
  expect(await ui.text.textContent()).toBe(text);
  await ui.option('Length').fill('5');
  await ui.send.click();
  await ui.done();
  await close();
});

test('the same seed gives the same text, another seed another', async () => {
  const { page, close } = await newPage(browser);
  const ui = demo(page);
  await ui.open(server.url);
  // An example is sent at once.
  await ui.examples.nth(1).click();
  await ui.done();
  expect(await ui.prompt.inputValue()).toBe(await ui.examples.nth(1).textContent());
  const [text, seed] = [await ui.text.textContent(), /seed (\d+)/.exec(await ui.facts.innerText())?.[1]];
  await Promise.all([page.waitForResponse('**/generate'), ui.repeat.click()]);
  await ui.done();
  expect(await ui.text.textContent()).toBe(text);
  expect(await ui.facts.innerText()).toContain(`seed ${seed}`);
  await Promise.all([page.waitForResponse('**/generate'), ui.another.click()]);
  await ui.done();
  expect(await ui.text.textContent()).not.toBe(text);
  expect(await ui.facts.innerText()).not.toContain(`seed ${seed}`);
  await close();
});

test('copies the text; clears it', async () => {
  const { page, close } = await newPage(browser, { permissions: ['clipboard-read', 'clipboard-write'] });
  const ui = demo(page);
  await ui.open(server.url);
  await ui.prompt.fill('Every April');
  await ui.prompt.press('Enter');
  await ui.done();
  const whole = `Every April${await ui.text.textContent()}`;
  await ui.copy.click();
  await ui.facts.getByText('The text is copied.').waitFor();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(whole);
  await ui.clear.click();
  expect(await ui.prompt.inputValue()).toBe('');
  expect(await ui.text.count()).toBe(0);
  expect(await ui.prompt.evaluate((element) => element === document.activeElement)).toBe(true);
  await ui.undo.click();
  expect(await ui.prompt.inputValue()).toBe('Every April');
  expect(`Every April${await ui.text.textContent()}`).toBe(whole);
  expect(await ui.undo.count()).toBe(0);
  await close();
});

test('the prompt is filled in, and can be sent at once or written over', async () => {
  const { page, close } = await newPage(browser);
  const ui = demo(page);
  await ui.open(server.url);
  const { manifest } = await (await fetch(`${server.url}/model`)).json();
  expect(await ui.prompt.inputValue()).toBe(manifest.example_prompts[0]);
  expect(await ui.send.getAttribute('aria-disabled')).toBe('false');
  await page.getByText(/^tiny is a small language model of 1\.2 million parameters, trained on .* It continues what you write; it does not answer\.$/).waitFor();
  await ui.prompt.focus();
  await page.keyboard.type('Mine');
  expect(await ui.prompt.inputValue()).toBe('Mine');
  await close();
});

test('a text goes on from its end', async () => {
  const { page, close } = await newPage(browser);
  const ui = demo(page);
  await ui.open(server.url);
  await ui.prompt.fill('Every April');
  await ui.prompt.press('Enter');
  await ui.done();
  const whole = `Every April${await ui.text.textContent()}`;
  const [request] = await Promise.all([page.waitForRequest('**/generate'), ui.proceed.click()]);
  expect(request.postDataJSON().prompt).toBe(whole);
  await ui.done();
  expect(await page.locator('.sheet-prompt').textContent()).toBe(whole);
  expect(await ui.text.textContent()).not.toBe('');
  await close();
});

test('a text has as much room as it needs, up to 70 % of the window, and is shown from its beginning', async () => {
  const { page, close } = await newPage(browser);
  const ui = demo(page);
  const sheet = page.getByRole('group', { name: 'The text so far' });
  const frame = page.locator('.sheet-frame');
  await ui.open(server.url);
  const measure = () => sheet.evaluate((box: HTMLElement) => ({ height: box.offsetHeight, hidden: box.scrollHeight - box.clientHeight, top: box.scrollTop }));
  const { height: empty } = await measure();
  await ui.option('Length').fill('100');
  await ui.prompt.press('Enter');
  await ui.done();
  const short = await measure();
  expect(short.hidden).toBe(0);
  expect(await frame.getAttribute('data-cut')).toBe('');
  await ui.option('Length').fill('1000');
  await ui.prompt.press('Enter');
  await ui.facts.getByText('1,000 tokens').waitFor();
  const long = await measure();
  expect(short.height).toBeGreaterThan(empty);
  expect(long.height).toBe(Math.round(0.7 * 900));
  expect(long.hidden).toBeGreaterThan(0);
  expect(long.top).toBe(0);
  const opacity = (edge: string) => frame.evaluate((element, edge) => getComputedStyle(element, edge).opacity, edge);
  await expect.poll(() => opacity('::after')).toBe('1');
  expect(await opacity('::before')).toBe('0');
  await sheet.evaluate((box) => box.scrollTo(0, box.scrollHeight));
  await expect.poll(() => opacity('::before')).toBe('1');
  await expect.poll(() => opacity('::after')).toBe('0');
  await close();
});

test('a text is there again after another page, and after a reload', async () => {
  const { page, close } = await newPage(browser);
  const ui = demo(page);
  await ui.open(server.url);
  await ui.option('Length').fill('20');
  await ui.prompt.fill('Every April');
  await ui.prompt.press('Enter');
  await ui.done();
  const text = await ui.text.textContent();
  const asked: string[] = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await page.getByRole('link', { name: 'Compare' }).click();
  await page.waitForURL('**/compare.html');
  await page.getByRole('link', { name: 'Demo' }).click();
  expect(await ui.text.textContent()).toBe(text);
  expect(await ui.prompt.inputValue()).toBe('Every April');
  expect(await ui.option('Length').inputValue()).toBe('20');
  // With a link in the address too, nothing is asked for again.
  await ui.share.click();
  await page.reload();
  await ui.status.getByText('Ready').waitFor();
  expect(await ui.text.textContent()).toBe(text);
  expect(asked).not.toContain('/generate');
  await close();
});

test('the text leads to the architecture page, as much of it as can be looked at', async () => {
  const { page, close } = await newPage(browser);
  const ui = demo(page);
  await ui.open(server.url);
  for (const [prompt, length] of [['Every April', '5'], ['Every April & then', '80']] as const) {
    await ui.option('Length').fill(length);
    await ui.prompt.fill(prompt);
    await Promise.all([page.waitForResponse('**/generate'), ui.prompt.press('Enter')]);
    await ui.done();
    const whole = prompt + (await ui.text.textContent());
    await page.getByRole('link', { name: 'Look inside this text' }).click();
    await page.getByText('Every value below was computed for this text').waitFor();
    const inside = await page.getByLabel('Your text').inputValue();
    expect(inside === whole).toBe(length === '5');
    expect(whole.endsWith(inside)).toBe(true);
    const count = Number.parseInt(await page.locator('.prompt-count').innerText(), 10);
    if (length === '80') expect(count).toBeGreaterThan(60);
    await page.goBack();
  }
  await close();
});

test('one error is shown at a time, at its field, and goes when it is mended', async () => {
  const { page, allow, close } = await newPage(browser);
  allow(/status of 422/);
  const ui = demo(page);
  await ui.open(server.url);
  // The page asks for nothing that the server refuses; so what it asks for is changed on the way.
  await page.route('**/generate', (route) => {
    const body = { ...route.request().postDataJSON(), top_k: 0.5 };
    return route.continue({ postData: JSON.stringify(body) });
  });
  await ui.send.click();
  await expect.poll(() => ui.option('Top-k').getAttribute('aria-invalid')).toBe('true');
  expect(await page.locator('#option-top_k-help').innerText()).toContain('top_k');
  expect(await page.locator('.error-note').count()).toBe(0);
  await page.unroute('**/generate');
  await ui.option('Top-k').fill('40');
  expect(await ui.option('Top-k').getAttribute('aria-invalid')).toBe('false');
  await ui.send.click();
  await ui.done();
  await close();
});

test('the longest seed can be read', async () => {
  const { page, close } = await newPage(browser, { viewport: { width: 320, height: 640 } });
  const ui = demo(page);
  await ui.open(server.url);
  await ui.option('Seed').fill('9007199254740991');
  await ui.option('Seed').blur();
  expect(await ui.option('Seed').evaluate((field) => field.scrollWidth - field.clientWidth)).toBe(0);
  await close();
});

test('a shared link asks for the same text, and says nothing to the server', async () => {
  const writer = await newPage(browser, { permissions: ['clipboard-read', 'clipboard-write'] });
  const ui = demo(writer.page);
  await ui.open(server.url);
  await ui.prompt.fill('Light & dark, 100% of #it:\n"ä😀"');
  await ui.option('Temperature').fill('1.3');
  await ui.option('Top-p').fill('0.95');
  await ui.prompt.press('Enter');
  await ui.done();
  const text = await ui.text.textContent();
  await ui.share.click();
  await ui.facts.getByText('The link is copied.').waitFor();
  const link = await writer.page.evaluate(() => navigator.clipboard.readText());
  expect(link).toBe(writer.page.url());
  await writer.close();

  const reader = await newPage(browser);
  const requested: string[] = [];
  reader.page.on('request', (request) => requested.push(request.url()));
  const read = demo(reader.page);
  await read.open(link);
  expect(await read.prompt.inputValue()).toBe('Light & dark, 100% of #it:\n"ä😀"');
  expect(await read.option('Temperature').inputValue()).toBe('1.3');
  expect(await read.option('Top-p').inputValue()).toBe('0.95');
  expect(requested.some((url) => url.includes('Light'))).toBe(false);
  // It is asked for at once.
  await read.done();
  expect(await read.text.textContent()).toBe(text);
  await reader.page.getByText('and so the same text').waitFor();

  // Another model writes another text, which the page says.
  await reader.page.evaluate(() => {
    location.hash = 'prompt=Hello&temperature=9999&top_k=3&model=another/1';
  });
  await reader.page.getByText('This link comes from another/1').waitFor();
  expect(await read.prompt.inputValue()).toBe('Hello');
  expect(await read.option('Temperature').inputValue()).toBe('0.7');
  expect(await read.option('Top-k').inputValue()).toBe('3');
  await reader.close();
});

test('history survives a reload, is shown again, and can be forgotten', async () => {
  const { page, close } = await newPage(browser);
  const ui = demo(page);
  const history = page.getByRole('region', { name: 'History' });
  await ui.open(server.url);
  for (const prompt of ['First', 'Second']) {
    await ui.prompt.fill(prompt);
    await Promise.all([page.waitForResponse('**/generate'), ui.prompt.press('Enter')]);
    await ui.done();
  }
  const text = await ui.text.textContent();
  await page.reload();
  expect(await history.getByRole('listitem').count()).toBe(2);
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await history.getByRole('button', { name: /^Second/ }).click();
  await expect.poll(() => ui.text.evaluate((text) => text.getBoundingClientRect().top)).toBeGreaterThanOrEqual(0);
  expect(await ui.text.textContent()).toBe(text);
  expect(await ui.prompt.inputValue()).toBe('Second');
  await history.getByRole('button', { name: 'Forget: First' }).click();
  expect(await history.getByRole('listitem').count()).toBe(1);
  await history.getByRole('button', { name: 'Forget all' }).click();
  await history.getByText('kept here').waitFor();
  await history.getByRole('button', { name: 'Undo' }).click();
  expect(await history.getByRole('listitem').count()).toBe(1);
  await close();
});

test('the model is described as its manifest has it', async () => {
  const { page, close } = await newPage(browser);
  await demo(page).open(server.url);
  const { manifest, curve } = await (await fetch(`${server.url}/model`)).json();
  const about = page.getByRole('region', { name: 'About this model' });
  const words = await about.innerText();
  for (const word of [manifest.version, '1.2 million', 'the-north-light.txt: 5,240 tokens', '2 blocks of 2 heads, 12 wide', '72 steps']) {
    expect(words).toContain(word);
  }
  expect(words).toContain(manifest.evaluation.val_loss.toFixed(3));
  await about.scrollIntoViewIfNeeded();
  await about.locator('canvas').waitFor();
  const label = await about.getByRole('img').getAttribute('aria-label');
  expect(label).toContain(`to ${curve.at(-1).val_loss.toFixed(3)}`);
  await close();
});
