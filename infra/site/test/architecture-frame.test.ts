/** The architecture page without its API, on other origins, in all widths, and without anything that moves. */
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import sample from '../src/architecture/prompt/sample.json' with { type: 'json' };
import {
  NARROW,
  WIDE,
  browserAndServer,
  expectAccessible,
  expectNoSidewaysScroll,
  newPage,
  screenshot,
  startServer,
  tinyStore,
} from './harness.ts';

const LIVE = 'Every value below was computed for this text';
const LONG = Array(5).fill('I had a ladder, a lamp and a wall.').join(' ');

/** How long the page may take, on a machine that is busy with other tests. */
const SOON = { timeout: 10_000 };

const shared = browserAndServer();

async function expectSample(page: Page) {
  const notice = page.locator('.notice-sample');
  await notice.waitFor();
  const text = await notice.innerText();
  expect(text).toContain('Recorded sample, not live:');
  expect(text).toContain(`“${sample.prompt}”`);
  expect(text).toContain(sample.model.model.version);
  const ids = await page.getByRole('radiogroup', { name: 'Tokens of the text' }).getByRole('radio').allInnerTexts();
  expect(ids.map((one) => Number(one.split('\n').at(-1)))).toEqual(sample.inspection.tokens.map(({ id }) => id));
}

describe('while no API answers', () => {
  test('a recorded sample is shown, says so, and gives way', async () => {
    const { page, allow, close } = await newPage(shared.browser);
    allow(/Failed to load resource/);
    await page.route(/\/(model|inspect)$/, (route) => route.abort());
    await page.goto(`${shared.server.url}/architecture.html`);
    await expectSample(page);
    // Sliders and heads work without the API.
    const first = page.getByRole('radiogroup', { name: 'Candidates for the next token' }).locator('.bars-number').first();
    const before = await first.innerText();
    await page.getByRole('slider', { name: 'Temperature' }).press('Home');
    expect(await first.innerText()).toBe('100.0%');
    expect(before).not.toBe('100.0%');
    await page.getByRole('radio', { name: 'Layer 3, head 5' }).click();
    expect(await page.locator('.row-sum').innerText()).toBe('1.00');
    // Drawing a token needs it, and says so.
    expect(await page.getByRole('button', { name: 'Next token' }).getAttribute('aria-disabled')).toBe('true');
    await page.getByText('There is no model to draw from at the moment.').waitFor();
    await page.locator('#training').scrollIntoViewIfNeeded();
    await page.locator('.loss-plot canvas').waitFor();
    await expectAccessible(page);
    await screenshot(page, 'architecture-sample');

    await page.getByLabel('Your text').fill('The north window');
    await page.unrouteAll();
    await page.getByText(LIVE).waitFor({ timeout: 15_000 });
    expect(await page.locator('.notice-sample').count()).toBe(0);
    expect(await page.getByRole('group', { name: 'The text so far' }).innerText()).toBe('The north window');
    await close();
  });

  test('it is shown where there is no model, with the reason', async () => {
    const { page, close } = await newPage(shared.browser);
    // A server on localhost ends where it finds no model; one in Lambda says so.
    const nothing = { loading: null, model: null, model_info: null, manifest: null, curve: [], start: null };
    const json = { status: 'unavailable', reason: 'its channel names none yet', ...nothing };
    await page.route(/\/model$/, (route) => route.fulfill({ json }));
    await page.goto(`${shared.server.url}/architecture.html`);
    await page.getByText('its channel names none yet').waitFor();
    await expectSample(page);
    await page.unrouteAll();
    await page.getByText(LIVE).waitFor({ timeout: 15_000 });
    await close();
  });

  test('an API that falls silent later leaves what there is, and is asked again', async () => {
    const { page, allow, close } = await newPage(shared.browser);
    allow(/Failed to load resource/);
    await page.goto(`${shared.server.url}/architecture.html`);
    await page.getByText(LIVE).waitFor();
    await page.route(/\/(model|inspect)$/, (route) => route.abort());
    await page.getByLabel('Your text').fill('The ladder');
    await page.getByRole('alert').first().waitFor();
    await page.getByText('What you see is of').waitFor();
    expect(await page.locator('.notice-sample').count()).toBe(0);
    await page.unrouteAll();
    await page.getByText(LIVE).waitFor({ timeout: 15_000 });
    await close();
  });
});

test('a text of another version waits for the manifest of that version', async () => {
  const { page, close } = await newPage(shared.browser);
  let asked = 0;
  let inspected = 0;
  page.on('request', (request) => (inspected += Number(request.url().endsWith('/inspect'))));
  // Another version takes over just after the page has learnt of one.
  await page.route(/\/model$/, async (route) => {
    const state = await (await route.fetch()).json();
    asked += 1;
    await route.fulfill({ json: asked > 1 ? state : { ...state, model: { ...state.model, version: 'an earlier one' } } });
  });
  await page.goto(`${shared.server.url}/architecture.html`);
  await page.getByText(LIVE).waitFor();
  expect([asked, inspected]).toEqual([2, 2]);
  await close();
});

test('works with an API of another origin', async () => {
  const api = await startServer(tinyStore(), ['--cors-origins', '*']);
  const site = await startServer(tinyStore(), ['--site-apis', api.url]);
  const { page, close } = await newPage(shared.browser);
  const asked = new Set<string>();
  page.on('request', (request) => {
    if (request.method() === 'POST') asked.add(new URL(request.url()).origin);
  });
  await page.goto(`${site.url}/architecture.html?api=${encodeURIComponent(api.url)}`);
  await page.getByText(LIVE).waitFor();
  await page.getByRole('button', { name: 'Next token' }).click();
  await page.getByText('Drawn with seed').waitFor();
  expect([...asked]).toEqual([api.url]);
  await close();
  await Promise.all([api.stop(), site.stop()]);
});

describe.each([
  ['narrow', NARROW],
  ['wide', WIDE],
] as const)('%s', (name, viewport) => {
  test.each(['light', 'dark'] as const)('a long text fits and is accessible: %s', async (colorScheme) => {
    const { page, close } = await newPage(shared.browser, { viewport, colorScheme });
    await page.goto(`${shared.server.url}/architecture.html`);
    await page.getByText(LIVE).waitFor();
    await page.getByLabel('Your text').fill(LONG);
    await expect.poll(() => page.locator('.walk-text').textContent(), SOON).toBe(LONG);
    await page.getByText(LIVE).waitFor();
    await page.getByRole('button', { name: 'Next token' }).click();
    await page.getByText('Drawn with seed').waitFor();
    await page.getByText(LIVE).waitFor();
    await page.locator('#training').scrollIntoViewIfNeeded();
    await page.locator('.loss-plot canvas').waitFor();
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
    await screenshot(page, `architecture-long-${name}-${colorScheme}`);
    await close();
  });

  test('nothing moves when answers come', async () => {
    const { page, close } = await newPage(shared.browser, { viewport });
    await page.addInitScript(() => {
      const shifts: number[] = [];
      Object.assign(window, { shifts });
      const observer = new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) shifts.push((entry as PerformanceEntry & { value: number }).value);
      });
      observer.observe({ type: 'layout-shift', buffered: true });
    });
    const moved = () => page.evaluate(() => (window as unknown as { shifts: number[] }).shifts.reduce((sum, shift) => sum + shift, 0));
    await page.goto(`${shared.server.url}/architecture.html`);
    await page.getByText(LIVE).waitFor();
    await page.waitForTimeout(200);
    expect(await moved()).toBeLessThan(0.001);

    const button = page.getByRole('button', { name: 'Next token' });
    await button.scrollIntoViewIfNeeded();
    for (let step = 1; step <= 3; step += 1) {
      await button.press('Enter');
      await expect.poll(() => page.locator('.walk-text mark').count(), SOON).toBe(step);
      await page.getByText(LIVE).waitFor();
    }
    await page.waitForTimeout(200);
    expect(await moved()).toBeLessThan(0.005);
    await close();
  });
});
