/** All pages: frame, themes, widths, accessibility. */
import { describe, expect, test } from 'vitest';
import {
  NARROW,
  WIDE,
  browserAndServer,
  expectAccessible,
  expectNoSidewaysScroll,
  newPage,
  screenshot,
} from './harness.ts';

const shared = browserAndServer();

describe.each(['index', 'architecture', 'compare'])('%s.html', (name) => {
  test.each([
    ['narrow', 'light'],
    ['narrow', 'dark'],
    ['wide', 'light'],
    ['wide', 'dark'],
  ] as const)('fits and is accessible: %s and %s', async (width, colorScheme) => {
    const { page, close } = await newPage(shared.browser, { viewport: width === 'wide' ? WIDE : NARROW, colorScheme });
    await page.goto(`${shared.server.url}/${name}.html`);
    await page.getByText('Ready').first().waitFor();
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
    await screenshot(page, `${name}-${width}-${colorScheme}`);
    await close();
  });

  test('fits 320 pixels', async () => {
    const { page, close } = await newPage(shared.browser, { viewport: { width: 320, height: 600 } });
    await page.goto(`${shared.server.url}/${name}.html`);
    await page.getByText('Ready').first().waitFor();
    await expectNoSidewaysScroll(page);
    await close();
  });
});

test('the theme that is chosen stays, on every page', async () => {
  const { page, close } = await newPage(shared.browser, { colorScheme: 'light' });
  const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  await page.goto(shared.server.url);
  const light = await background();
  await page.getByRole('button', { name: 'Switch to the dark theme' }).click();
  const dark = await background();
  expect(dark).not.toBe(light);
  await page.getByRole('link', { name: 'Architecture' }).click();
  await page.waitForURL('**/architecture.html');
  expect(await background()).toBe(dark);
  await page.getByRole('button', { name: 'Switch to the light theme' }).click();
  expect(await background()).toBe(light);
  await close();
});

test('the foot of every page leads to the documentation of its API', async () => {
  const { page, close } = await newPage(shared.browser);
  await page.goto(`${shared.server.url}/compare.html?api=${encodeURIComponent(shared.server.url)}`);
  const link = page.getByRole('contentinfo').getByRole('link', { name: 'Documentation of the API' });
  await expect.poll(() => link.getAttribute('href')).toBe(`${shared.server.url}/docs`);
  expect((await fetch(`${shared.server.url}/docs`)).status).toBe(200);
  // This build was not told where its source code is.
  expect(await page.getByRole('link', { name: 'Source code' }).count()).toBe(0);
  await close();
});

test('links between pages keep ?api=', async () => {
  const { page, close } = await newPage(shared.browser);
  await page.goto(`${shared.server.url}/?api=${encodeURIComponent(shared.server.url)}`);
  await page.getByRole('link', { name: 'Compare' }).click();
  await page.waitForURL('**/compare.html?*');
  expect(new URL(page.url()).searchParams.get('api')).toBe(shared.server.url);
  await close();
});
