/**
 * Recorder of the samples that the demo and the architecture page show while no API answers:
 * `npm run record -- http://127.0.0.1:8080 ["a text for the architecture page"]`
 */
import { writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';

const ARCHITECTURE = new URL('../src/architecture/prompt/sample.json', import.meta.url);
const DEMO = new URL('../src/demo/sample/sample.json', import.meta.url);
/** Short, as its attention weights are most of the file. */
const PROMPT = 'The boy set the lamp in the north window';
const CANDIDATES = 100;
/** The settings that the page begins with. */
const SAMPLING = { temperature: 0.7, top_k: 50, max_tokens: 50, seed: 1 };
/** As many as the page shows. */
const LIKELIEST = 5;

const [base, prompt = PROMPT] = process.argv.slice(2);
if (!base) {
  console.error('usage: npm run record -- URL [TEXT]');
  process.exit(2);
}

const api = base.replace(/\/+$/, '');
const recorded_at = new Date().toISOString();
const inspection = await answer('/inspect', { prompt, top_k: CANDIDATES });
const model = await answer('/model');
if (model.status !== 'ready') throw new Error(`the model at ${api} is ${model.status}`);
const texts = [];
for (const example of model.manifest.example_prompts) texts.push(await written(example));
if (texts.length === 0) throw new Error(`${model.manifest.name} has no example prompts; train it with sample.prompts`);

console.log(`recorded from ${model.model.name}/${model.model.version}, ${model.model.precision}`);
await save(ARCHITECTURE, { recorded_at, prompt, model, inspection: rounded(inspection) });
await save(DEMO, { recorded_at, model, texts });

async function answer(path, body) {
  const post = body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(api + path, post);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** A text from a prompt, with the probabilities of its tokens. */
async function written(prompt) {
  const text = await answer('/generate', { prompt, ...SAMPLING });
  const request = { prompt: prompt + text.response, max_tokens: 0, echo: true, logprobs: LIKELIEST };
  const [{ text: echo, logprobs }] = (await answer('/v1/completions', request)).choices;
  return { sampling: SAMPLING, answer: text, scored: { text: echo, logprobs } };
}

/** Attention weights with three digits: more cannot be seen, and would double the file. */
function rounded(inspection) {
  const round = (value) => (Array.isArray(value) ? value.map(round) : Math.round(value * 1000) / 1000);
  return { ...inspection, attention: round(inspection.attention) };
}

async function save(file, sample) {
  const json = `${JSON.stringify(sample)}\n`;
  await writeFile(file, json);
  console.log(`${file.pathname.split('/src/')[1]}: ${json.length} bytes, ${gzipSync(json).length} compressed`);
}
