/** The main path through the page, in Chromium and in Firefox: a prompt is continued, looked into, and compared. */
import puppeteer, { type Browser, type Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Server, CORPUS, onPath, startServer, temporaryFolder, trainTiny } from './harness.ts';

const PROMPT = 'Every April, in the';

let server: Server;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  // Small but deep: a text takes long enough to be seen as it grows.
  const slow = ['--set', 'model.n_layers=96', '--max-steps', '1', '--set', 'training.final_evaluation_windows=2'];
  await trainTiny(CORPUS, folder.path, slow);
  server = await startServer(folder.path, ['--precision', 'float32']);
});

afterAll(async () => {
  await server?.stop();
  await folder?.remove();
});

const BROWSERS = {
  chrome: () => process.env['CHROMIUM'] ?? onPath('chromium'),
  firefox: () => process.env['FIREFOX'] ?? onPath('firefox-esr'),
};

describe.each(['chrome', 'firefox'] as const)('in %s', (name) => {
  let browser: Browser;

  beforeAll(async () => {
    const unsandboxed = name === 'chrome' && process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    // Firefox is driven by WebDriver BiDi.
    browser = await puppeteer.launch({ browser: name, executablePath: BROWSERS[name](), args: unsandboxed });
  });

  afterAll(() => browser?.close());

  test.each([390, 1280])('the page works at %i pixels', async (width) => {
    const page = await browser.newPage();
    await page.setViewport({ width, height: 844 });
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => ['error', 'warn'].includes(message.type()) && problems.push(message.text()));
    const prompt = page.locator('form textarea');

    // Demo: the text streams.
    await page.goto(server.url);
    await says(page, 'Ready');
    await page.evaluate(watch);
    await prompt.fill(PROMPT);
    await prompt.click();
    await page.keyboard.press('Enter');
    const { seen, text } = await (await page.waitForFunction(streamed)).jsonValue() as Required<Watched>;
    expect(text.length).toBeGreaterThan(20);
    const unfinished = seen.filter((whole) => !whole.includes(text)).map((whole) => shared(whole, PROMPT + text));
    // At least once: a busy browser draws seldom.
    expect(unfinished.filter((length) => length > PROMPT.length)).not.toEqual([]);
    expect(await tooWide(page)).toBeLessThanOrEqual(0);

    // Architecture: its tokens make up the text.
    await Promise.all([page.waitForNavigation(), page.click('nav[aria-label=Pages] a[href^="architecture"]')]);
    await prompt.fill(PROMPT);
    await page.waitForFunction(
      (text) => [...document.querySelectorAll('[aria-label="Tokens of the text"] .piece-text')].map((piece) => piece.textContent).join('') === text,
      {},
      PROMPT.replaceAll(' ', '·'),
    );
    expect(await tooWide(page)).toBeLessThanOrEqual(0);

    // Compare: the model, and its answer.
    await Promise.all([page.waitForNavigation(), page.click('nav[aria-label=Pages] a[href^="compare"]')]);
    await says(page, 'Ready');
    await page.waitForFunction(() => document.querySelector('.facts-table thead')?.textContent?.includes('tiny'));
    await prompt.fill(PROMPT);
    await prompt.click();
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => /tokens in /.test(document.querySelector('.answer-foot')?.textContent ?? ''));
    expect(await tooWide(page)).toBeLessThanOrEqual(0);

    expect(problems).toEqual([]);
    await page.close();
  });
});

const says = (page: Page, words: string) =>
  page.waitForFunction((words) => document.querySelector('main')?.textContent?.includes(words), {}, words);

const tooWide = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

interface Watched {
  /** All words of the page, each time that they changed. */
  seen: string[];
  /** The generated text, once the API has sent all of it. */
  text?: string;
}

/** Notes, in the page, what is shown from now on, and what the API says at the end of a text. */
function watch(): void {
  const watched: Watched = { seen: [] };
  Object.assign(window, { watched });
  const note = () => watched.seen.push(document.querySelector('main')?.textContent ?? '');
  new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
  const { fetch } = window;
  window.fetch = async (...request) => {
    const response = await fetch(...request);
    if (response.url.endsWith('/generate')) {
      const copy = response.clone().text();
      void copy.then((events) => (watched.text = JSON.parse(/event: done\ndata: (.*)/.exec(events)?.[1] ?? '{}').response));
    }
    return response;
  };
}

/** What was noted, once all of the text is shown. */
function streamed(): Required<Watched> | false {
  const { seen, text } = (window as unknown as { watched: Watched }).watched;
  return text !== undefined && (seen.at(-1)?.includes(text) ?? false) && { seen, text };
}

/** How many of the first characters of `text` are somewhere in `whole`. */
function shared(whole: string, text: string): number {
  let length = 0;
  while (length < text.length && whole.includes(text.slice(0, length + 1))) length += 1;
  return length;
}
