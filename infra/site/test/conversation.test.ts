/** The conversation on the demo page, with a model that has a chat template. */
import { join } from 'node:path';
import type { Browser, Page, Request } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { demo } from './demo-page.ts';
import {
  CORPUS,
  NARROW,
  type Server,
  WIDE,
  addTemplate,
  expectAccessible,
  expectNoSidewaysScroll,
  newPage,
  pressOnce,
  publishLive,
  screenshot,
  startBrowser,
  startServer,
  temporaryFolder,
  tinyStore,
  trainTiny,
} from './harness.ts';

let browser: Browser;
let server: Server;
/** Its model is as small but deep, so that an answer takes a while. */
let slowServer: Server;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  const [store, slowStore] = [join(folder.path, 'store'), join(folder.path, 'slow')];
  await publishLive(tinyStore(), store);
  const quick = ['--max-steps', '1', '--set', 'training.final_evaluation_windows=2'];
  // The context is long, so the answer is.
  await trainTiny(CORPUS, slowStore, ['--set', 'model.n_layers=24', '--set', 'model.context_length=250', ...quick]);
  for (const each of [store, slowStore]) await addTemplate(each, 'instruction');
  browser = await startBrowser();
  server = await startServer(store);
  slowServer = await startServer(slowStore, ['--precision', 'float32']);
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
  await slowServer?.stop();
  await folder?.remove();
});

/** The parts of the view, by the names that a screen reader says. */
function conversation(page: Page) {
  const button = (name: string) => page.getByRole('button', { name, exact: true });
  return {
    message: page.getByLabel('Your message'),
    send: button('Send'),
    restart: button('New conversation'),
    view: (name: string) => page.getByRole('radio', { name, exact: true }),
    turns: page.getByRole('group', { name: 'The conversation so far' }).getByRole('listitem'),
    dropped: page.getByText('The model no longer reads'),
    /** Sends a message and waits for the answer; gives what was asked for, and what the server answered. */
    async say(text: string) {
      let events = '';
      let request: Request | undefined;
      // The page is done with the response before anybody else could read it.
      await page.route('**/v1/chat/completions', async (route) => {
        request = route.request();
        const response = await route.fetch();
        events = await response.text();
        await route.fulfill({ response, body: events });
      });
      await this.message.fill(text);
      await Promise.all([page.waitForResponse('**/v1/chat/completions'), this.message.press('Enter')]);
      await expect.poll(() => page.locator('.caret').count()).toBe(0);
      await page.unroute('**/v1/chat/completions');
      const chunks = events.split('\n').filter((line) => line.startsWith('data: {')).map((line) => JSON.parse(line.slice(6)));
      const answer = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
      return { request: request?.postDataJSON(), answer };
    },
  };
}

test('messages are answered in turn, and the model says what it is', async () => {
  const { page, close } = await newPage(browser);
  const ui = conversation(page);
  await demo(page).open(server.url);
  await page.getByText(/^tiny is a small language model of [\d.]+ million parameters, trained on .*\. It answers briefly, .* can be wrong/).waitFor();
  const first = await ui.say('Who painted it?');
  expect(first.request).toEqual({ messages: [{ role: 'user', content: 'Who painted it?' }], temperature: 0.7, top_k: 50, stream: true });
  expect(await ui.message.inputValue()).toBe('');
  const second = await ui.say('Why?');
  expect(second.request.messages).toEqual([
    { role: 'user', content: 'Who painted it?' },
    { role: 'assistant', content: first.answer },
    { role: 'user', content: 'Why?' },
  ]);
  const shown = await ui.turns.locator('.turn-text').allTextContents();
  expect(shown).toEqual(['Who painted it?', first.answer, 'Why?', second.answer]);
  // Of 64 tokens a quarter is for the answer, and two exchanges of this model fill the rest.
  await ui.say('And who are you?');
  await ui.dropped.waitFor();
  await ui.restart.click();
  expect([await ui.turns.count(), await ui.dropped.count()]).toEqual([0, 0]);
  expect(await ui.message.evaluate((element) => element === document.activeElement)).toBe(true);
  expect((await ui.say('Hello')).request.messages).toHaveLength(1);
  await close();
});

test('the other view continues texts, and the conversation is still there', async () => {
  const { page, close } = await newPage(browser);
  const ui = conversation(page);
  await demo(page).open(server.url);
  await ui.say('Hello');
  await ui.view('Conversation').press('ArrowRight');
  await demo(page).prompt.fill('Every April');
  await demo(page).prompt.press('Enter');
  await demo(page).done();
  await ui.view('Text').press('ArrowLeft');
  expect(await ui.turns.count()).toBe(2);
  await close();
  // A link that is shared is to a text.
  const shared = await newPage(browser);
  await demo(shared.page).open(`${server.url}#prompt=Every+April`);
  expect(await demo(shared.page).prompt.inputValue()).toBe('Every April');
  await shared.close();
});

test.each([{ button: 'Stop' }, { key: 'Escape' }] as const)('an answer stops by %o, here and on the server', async (press) => {
  const { page, close } = await newPage(browser);
  const ui = conversation(page);
  await demo(page).open(slowServer.url);
  const before = slowServer.log().length;
  await pressOnce(page, '.turn-model .turn-text', /\w/, press);
  await ui.message.fill('Tell me all of it');
  await ui.send.click();
  await page.getByText('Model, stopped').waitFor();
  await expect
    .poll(() => slowServer.log().slice(before), { timeout: 20_000 })
    .toContain('the client left before the text was complete');
  await close();
});

test('a message that fails can be sent again', async () => {
  const { page, allow, close } = await newPage(browser);
  allow(/Failed to load resource/);
  const ui = conversation(page);
  await demo(page).open(server.url);
  await page.route('**/v1/chat/completions', (route) => route.abort(), { times: 1 });
  await ui.message.fill('Hello');
  await ui.message.press('Enter');
  await page.getByRole('alert').getByText('could not be reached').waitFor();
  expect(await ui.turns.count()).toBe(1);
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect.poll(() => ui.turns.count()).toBe(2);
  await expect.poll(() => page.getByRole('alert').count()).toBe(0);
  await close();
});

test('an answer is read out, with how it ended', async () => {
  const { page, close } = await newPage(browser);
  const ui = conversation(page);
  await demo(page).open(server.url);
  const { answer } = await ui.say('Hello');
  await expect.poll(() => page.getByTestId('announcer').textContent()).toMatch(/ — (the answer is complete|cut off.*)\.$/);
  expect(await page.getByTestId('announcer').textContent()).toContain(answer);
  await close();
});

describe.each(['light', 'dark'] as const)('with a conversation, %s', (colorScheme) => {
  test.each([
    ['narrow', NARROW],
    ['wide', WIDE],
  ])('it is accessible and fits: %s', async (width, viewport) => {
    const { page, close } = await newPage(browser, { viewport, colorScheme });
    await demo(page).open(server.url);
    const ui = conversation(page);
    for (const message of ['Who painted it?', 'Why?', 'When?']) await ui.say(message);
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);
    // What is below is as wide as what is above.
    const widthOf = async (name: string) => (await page.getByRole('region', { name }).boundingBox())?.width;
    expect(await widthOf('About this model')).toBe(await widthOf('Conversation'));
    await screenshot(page, `conversation-${width}-${colorScheme}`);
    await close();
  });
});
