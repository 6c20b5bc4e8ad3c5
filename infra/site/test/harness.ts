/** Browser test harness: Chromium on the real server; errors, warnings and policy violations in a page fail its test. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import axe from 'axe-core';
import { type Browser, type BrowserContextOptions, type Page, chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, onTestFinished } from 'vitest';
import { REPOSITORY, type Server, startServer, temporaryFolder } from './programs.ts';

export { CORPUS, type Server, addTemplate, freeAddress, publishLive, startLoading, startServer, temporaryFolder, trainTiny } from './programs.ts';

/** The store with the tiny model, trained once for all tests. */
export const tinyStore = (): string => inject('store');

/** The store with the tiny model `tides`, of another text. */
export const tidesStore = (): string => inject('tides');

/** Stops what is given when the running test ends, however it ends; the last that was started first. */
export function untilTestEnds<T extends { stop(): Promise<void> }>(started: T): T {
  onTestFinished(() => started.stop());
  return started;
}

/** A folder for the running test. */
export async function testFolder(): Promise<string> {
  const folder = await temporaryFolder();
  onTestFinished(() => folder.remove());
  return folder.path;
}

/** Widths at which every page is looked at. */
export const NARROW = { width: 360, height: 740 };
export const WIDE = { width: 1280, height: 900 };

/** Starts Chromium, from `CHROMIUM` or the PATH, with a profile of its own that vanishes with it. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? onPath('chromium'),
    chromiumSandbox: process.getuid?.() !== 0,
  });
}

/** A browser and a server with the tiny model, for all tests of a file: they are there when its first test begins. */
export function browserAndServer(...options: string[]): { readonly browser: Browser; readonly server: Server } {
  const started: { browser?: Browser; server?: Server } = {};
  beforeAll(async () => {
    [started.browser, started.server] = await Promise.all([startBrowser(), startServer(tinyStore(), options)]);
  });
  afterAll(async () => {
    await started.browser?.close();
    await started.server?.stop();
  });
  return started as Required<typeof started>;
}

/** A program on the PATH. */
export function onPath(name: string): string {
  const found = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name)).find(existsSync);
  if (!found) throw new Error(`there is no ${name} on the PATH; install it, or set CHROMIUM or FIREFOX to the browser`);
  return found;
}

/** A page of the browser, and all that went wrong in it. */
export interface TestPage {
  readonly page: Page;
  /** Does not count what matches as wrong: `Failed to load resource` where a test wants an error. */
  allow(pattern: RegExp): void;
  /** Fails if anything went wrong, then closes the page with its cookies and storage. */
  close(): Promise<void>;
}

/** Opens an empty page in a context of its own. */
export async function newPage(browser: Browser, options: BrowserContextOptions = {}): Promise<TestPage> {
  const context = await browser.newContext({ viewport: WIDE, ...options });
  const page = await context.newPage();
  const problems: string[] = [];
  const allowed: RegExp[] = [];
  page.on('pageerror', (error) => problems.push(`exception: ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    // Policy violations arrive here too, as errors.
    if (message.type() === 'error' || message.type() === 'warning') problems.push(`console: ${message.text()}`);
  });
  await context.exposeFunction('reportViolation', (text: string) => problems.push(`content policy: ${text}`));
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      const { reportViolation } = window as unknown as { reportViolation(text: string): void };
      reportViolation(`${event.violatedDirective} forbids ${event.blockedURI || event.sourceFile}`);
    });
  });
  return {
    page,
    allow: (pattern) => void allowed.push(pattern),
    async close() {
      await context.close();
      expect(problems.filter((problem) => !allowed.some((pattern) => pattern.test(problem)))).toEqual([]);
    },
  };
}

/**
 * Presses Escape or a button as soon as `place` says `words`, in the page itself: a model this small has ended its
 * text before one could press anything from outside.
 */
export async function pressOnce(page: Page, place: string, words: RegExp, press: { key: 'Escape' } | { button: string }): Promise<void> {
  await page.evaluate(
    ([place, words, press]) => {
      const observer = new MutationObserver(() => {
        if (!words.test(document.querySelector(place)?.textContent ?? '')) return;
        observer.disconnect();
        if ('key' in press) document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { ...press, bubbles: true }));
        else [...document.querySelectorAll('button')].find(({ textContent }) => textContent.trim() === press.button)?.click();
      });
      observer.observe(document.body, { subtree: true, childList: true, characterData: true });
    },
    [place, words, press] as const,
  );
}

/** Fails if axe finds anything serious. */
export async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => {
    const { axe } = window as unknown as { axe: typeof import('axe-core') };
    return axe.run(document, { resultTypes: ['violations'] });
  });
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  expect(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`)).toEqual([]);
}

/** Fails if the page is wider than the window. */
export async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(tooWide).toBeLessThanOrEqual(0);
}

/** Takes a picture of the whole page, in `target/site-screenshots`. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = join(REPOSITORY, 'target/site-screenshots');
  await mkdir(folder, { recursive: true });
  // Plots come once they are scrolled to.
  for (const plot of await page.locator('.loss-plot').all()) {
    await plot.scrollIntoViewIfNeeded();
    await plot.locator('canvas').waitFor();
  }
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}
