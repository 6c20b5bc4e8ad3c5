/** What a new version has to answer before requests of others are sent to it. */

/** The shortest request for a text; a text that could end at once would prove nothing. */
const TEXT = { prompt: 'The', max_tokens: 8, min_tokens: 8, temperature: 0 };

/**
 * Throws an error that says what is wrong. `ask(method, path, json)` gives `{ status, body }`. If the function asks for
 * a key, nobody here has one: then it has to have a model, and to ask.
 */
export async function check(ask, keyRequired) {
  if (keyRequired) await expectStatus(ask, 200, 'GET', '/ready');
  const body = await expectStatus(ask, keyRequired ? 401 : 200, 'POST', '/generate', TEXT);
  if (!keyRequired && !JSON.parse(body).response) throw new Error(`POST /generate: expected a text, found ${body}`);
}

async function expectStatus(ask, expected, method, path, json) {
  const { status, body } = await ask(method, path, json);
  if (status !== expected) throw new Error(`${method} ${path}: expected ${expected}, found ${status}: ${body}`);
  return body;
}
