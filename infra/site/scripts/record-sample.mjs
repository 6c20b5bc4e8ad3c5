/**
 * Recorder of the sample that the architecture page shows while no API answers:
 * `npm run record -- http://127.0.0.1:8080 ["a text"]`
 */
import { writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';

const FILE = new URL('../src/architecture/prompt/sample.json', import.meta.url);
/** Short, as its attention weights are most of the file. */
const PROMPT = 'The boy set the lamp in the north window';
const CANDIDATES = 100;

const [base, prompt = PROMPT] = process.argv.slice(2);
if (!base) {
  console.error('usage: npm run record -- URL [TEXT]');
  process.exit(2);
}

const api = base.replace(/\/+$/, '');
const inspection = await answer('/inspect', { prompt, top_k: CANDIDATES });
const model = await answer('/model');
if (model.status !== 'ready') throw new Error(`the model at ${api} is ${model.status}`);

const sample = { recorded_at: new Date().toISOString(), prompt, model, inspection: rounded(inspection) };
const json = `${JSON.stringify(sample)}\n`;
await writeFile(FILE, json);
console.log(`${prompt}: ${inspection.tokens.length} tokens of ${model.model.name}/${model.model.version}`);
console.log(`${json.length} bytes, ${gzipSync(json).length} compressed`);

async function answer(path, body) {
  const post = body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(api + path, post);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** Attention weights with three digits: more cannot be seen, and would double the file. */
function rounded(inspection) {
  const round = (value) => (Array.isArray(value) ? value.map(round) : Math.round(value * 1000) / 1000);
  return { ...inspection, attention: round(inspection.attention) };
}
