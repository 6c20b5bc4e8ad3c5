/** The demo page as a reader uses it. */
import type { Page } from 'playwright-core';

/** The parts of the page that tests touch, by the names that a screen reader says. */
export function demo(page: Page) {
  const button = (name: string) => page.getByRole('button', { name, exact: true });
  return {
    prompt: page.getByLabel('Your prompt'),
    send: button('Send'),
    stop: button('Stop'),
    copy: button('Copy'),
    share: button('Share'),
    proceed: button('Continue'),
    another: button('Another'),
    repeat: button('Repeat'),
    clear: button('Clear'),
    undo: page.getByRole('region', { name: 'Text' }).getByRole('button', { name: 'Undo' }),
    examples: page.getByRole('group', { name: 'Example prompts' }).getByRole('button'),
    /** The generated text. */
    text: page.locator('.sheet-new'),
    /** The line with times. */
    facts: page.locator('.output-facts'),
    status: page.locator('.status'),
    option: (label: string) => page.getByLabel(label, { exact: true }),
    /** Opens the page and waits until its model is ready. */
    async open(url: string) {
      await page.goto(url);
      await this.status.getByText('Ready').waitFor();
    },
    /** Waits until a text is complete. */
    async done() {
      await this.facts.getByText('Generated in').waitFor();
    },
  };
}
