/** The demo page: page weight, layout shifts, accessibility, keyboard, and that markup stays text. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { demo } from './demo-page.ts';
import {
  NARROW,
  WIDE,
  browserAndServer,
  expectAccessible,
  expectNoSidewaysScroll,
  newPage,
  screenshot,
  startServer,
  testFolder,
  trainTiny,
  untilTestEnds,
} from './harness.ts';

const shared = browserAndServer();

/** Asks for a text of `tokens` tokens, and waits for it. */
async function write(page: Page, prompt: string, tokens: number) {
  const ui = demo(page);
  await ui.option('Length').fill(String(tokens));
  await ui.prompt.fill(prompt);
  await ui.prompt.press('Enter');
  await ui.done();
}

test('all that the page loads is at most 80 kB compressed, and 150 kB with the plot below', async () => {
  const { page, close } = await newPage(shared.browser);
  const files = new Set<string>();
  page.on('response', (response) => response.request().method() === 'GET' && files.add(response.url()));
  await demo(page).open(shared.server.url);
  await write(page, 'Every April', 50);
  const compressed = async (url: string) => gzipSync(Buffer.from(await (await fetch(url)).arrayBuffer())).length;
  const weigh = async () => (await Promise.all([...files].map(compressed))).reduce((sum, size) => sum + size, 0);
  const first = await weigh();
  expect(first).toBeLessThan(80_000);
  await page.getByRole('region', { name: 'About this model' }).scrollIntoViewIfNeeded();
  await page.locator('.loss-plot canvas').waitFor();
  expect([...files].some((url) => url.includes('loss-plot'))).toBe(true);
  const total = await weigh();
  expect(total).toBeLessThan(150_000);
  console.log(`the demo page loads ${(first / 1000).toFixed(1)} kB, and with the plot ${(total / 1000).toFixed(1)} kB, compressed`);
  await close();
});

test.each([
  ['narrow', NARROW],
  ['wide', WIDE],
])('nothing moves while the page loads and a text is written: %s', async (_, viewport) => {
  const { page, close } = await newPage(shared.browser, { viewport });
  await page.addInitScript(() => {
    const shifts: { value: number; what: string }[] = [];
    Object.assign(window, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean; sources: { node?: Element }[] })[]) {
        const what = entry.sources.map(({ node }) => node?.className ?? '').join(' ');
        if (!entry.hadRecentInput) shifts.push({ value: entry.value, what });
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
  await demo(page).open(shared.server.url);
  // Long enough for the text to outgrow its room.
  await demo(page).option('Length').fill('1000');
  await demo(page).prompt.fill('Every April, in the');
  // A click may make room. For half a second, movement is taken for an answer to it; so the text comes later.
  let answer = () => {};
  const asked = new Promise<void>((resolve) => {
    answer = resolve;
  });
  await page.route('**/generate', async (route) => {
    await asked;
    await route.continue();
  });
  await demo(page).send.click();
  await page.waitForTimeout(600);
  answer();
  await demo(page).done();
  await page.waitForTimeout(800);
  const shifts = await page.evaluate(() => (window as unknown as { shifts: { value: number; what: string }[] }).shifts);
  expect(shifts.reduce((sum, { value }) => sum + value, 0), JSON.stringify(shifts)).toBeLessThan(0.01);
  const sheet = page.getByRole('group', { name: 'The text so far' });
  // It shows the beginning of a text that does not fit.
  expect(await sheet.evaluate((box) => box.scrollHeight - box.clientHeight)).toBeGreaterThan(0);
  expect(await sheet.evaluate((box) => box.scrollTop)).toBe(0);
  await close();
});

describe.each(['light', 'dark'] as const)('with a text, %s', (colorScheme) => {
  test.each([
    ['narrow', NARROW],
    ['wide', WIDE],
  ])('it is accessible and fits: %s', async (width, viewport) => {
    const { page, close } = await newPage(shared.browser, { viewport, colorScheme });
    await demo(page).open(shared.server.url);
    await write(page, 'Every April, in the', 60);
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);
    await screenshot(page, `index-text-${width}-${colorScheme}`);
    await close();
  });
});

test('all of it works with keys alone, and the focus is visible', async () => {
  const { page, close } = await newPage(shared.browser);
  await demo(page).open(shared.server.url);
  const focused = () =>
    page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      const label = element.getAttribute('aria-label') ?? (element as HTMLInputElement).labels?.[0]?.textContent;
      return { name: (label ?? element.textContent).trim(), visible: getComputedStyle(element).outlineStyle !== 'none' };
    });
  /** Presses Tab until the focus is on `name`; gives what it passed. */
  const walkTo = async (name: string) => {
    const passed: string[] = [];
    for (let steps = 0; steps < 60; steps += 1) {
      await page.keyboard.press('Tab');
      const { name: here, visible } = await focused();
      expect(visible, `the focus is visible on ${here}`).toBe(true);
      passed.push(here);
      if (here === name) return passed;
    }
    throw new Error(`Tab does not lead to ${name}, but to ${passed.join(', ')}`);
  };
  expect(await walkTo('Your prompt')).toEqual([
    'Skip to the content',
    'TroelsLLM',
    'Demo',
    'Architecture',
    'Compare',
    'Switch to the dark theme',
    'Your prompt',
  ]);
  await page.keyboard.type('Every April');
  await page.keyboard.press('Enter');
  await demo(page).done();
  await walkTo('Repeat');
  await page.keyboard.press('Enter');
  await demo(page).done();
  const controls = await walkTo('Seed');
  expect(controls).toEqual([
    'Copy',
    'Share',
    'Clear',
    'Look inside this text',
    'Use it from curl, Python or JavaScript',
    'Reset',
    ...['Temperature', 'Top-k', 'Top-p', 'Length'].flatMap((name) => [name, `${name}, slider`]),
    'Seed',
  ]);
  await walkTo('Forget all');
  await page.keyboard.press('Enter');
  await page.getByText('kept here').waitFor();
  // The first of all links leads past the navigation.
  await page.reload();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await walkTo('Your prompt');
  await close();
});

test('what is written is read out in pieces, with how it ended', async () => {
  const { page, close } = await newPage(shared.browser);
  await page.addInitScript(() => {
    const news: string[] = [];
    Object.assign(window, { news });
    new MutationObserver(() => {
      const text = document.querySelector('[aria-live=polite].visually-hidden')?.textContent;
      if (text && text !== news.at(-1)) news.push(text);
    }).observe(document, { subtree: true, childList: true, characterData: true });
  });
  await demo(page).open(shared.server.url);
  await write(page, 'Every April', 400);
  const text = (await demo(page).text.textContent()) ?? '';
  const said = await page.evaluate(() => (window as unknown as { news: string[] }).news);
  // Not by token, of which there are ten times as many.
  expect(said.length).toBeLessThan(40);
  expect(said.join('')).toBe(`${text} — Generated in ${/in ([\d.]+s)/.exec(await demo(page).facts.innerText())?.[1]}, 400 tokens.`);
  await close();
});

test('markup in a prompt and from a model is text', async () => {
  const folder = await testFolder();
  const corpus = join(folder, 'texts');
  await mkdir(corpus);
  const markup = '<img src=x onerror=alert(1)> <script>alert(2)</script> <b onclick="alert(3)">bold</b>\n';
  await writeFile(join(corpus, 'markup.txt'), markup.repeat(60));
  const store = join(folder, 'store');
  // Long enough to know it by heart.
  await trainTiny(corpus, store, ['--set', 'training.epochs=10']);
  const evil = untilTestEnds(await startServer(store));
  const { page, close } = await newPage(shared.browser);
  page.on('dialog', () => {
    throw new Error('a script ran');
  });
  const ui = demo(page);
  await ui.open(evil.url);
  const elements = () => page.evaluate(() => document.querySelectorAll('img, script:not([src]), b, [onclick], [onerror]').length);
  expect(await elements()).toBe(0);
  await ui.option('Temperature').fill('0');
  await write(page, '<img src=x onerror=alert(1)>', 100);
  const text = (await ui.text.textContent()) ?? '';
  expect(text).toMatch(/<\/?(img|script|b)\b/);
  expect(await page.locator('.sheet-prompt').textContent()).toBe('<img src=x onerror=alert(1)>');
  // In the history and the examples too.
  await page.getByRole('region', { name: 'History' }).getByText('<img src=x').first().waitFor();
  expect(await elements()).toBe(0);
  await close();
});

test('who wants little motion gets none', async () => {
  const { page, close } = await newPage(shared.browser, { reducedMotion: 'reduce' });
  await demo(page).open(shared.server.url);
  const animated = await page.evaluate(() => {
    const dot = document.querySelector('.dot');
    dot?.classList.add('dot-busy');
    return dot && getComputedStyle(dot).animationName;
  });
  expect(animated).toBe('none');
  await close();
});
