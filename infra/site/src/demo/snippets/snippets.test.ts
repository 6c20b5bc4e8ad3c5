import { expect, test } from 'vitest';
import { LANGUAGES, snippet } from './snippets.ts';

const call = {
  address: 'https://api.example/prod',
  model: 'tiny',
  prompt: `It's "so"\n`,
  sampling: { temperature: 0.7, top_k: 50, max_tokens: 5 },
  keyed: false,
};

test('quotation marks and line ends stay what they are', () => {
  expect(snippet('curl', call)).toBe(
    String.raw`curl 'https://api.example/prod/generate' \
  -H 'content-type: application/json' \
  -d '{"prompt":"It'\''s \"so\"\n","temperature":0.7,"top_k":50,"max_tokens":5}'`,
  );
  expect(snippet('Python', call)).toContain(String.raw`    prompt="It's \"so\"\n",`);
  expect(snippet('Python', call)).toContain('    extra_body={"top_k": 50},');
});

test('a key is read from the environment, and stands in no snippet', () => {
  for (const language of LANGUAGES) {
    expect(snippet(language, call)).not.toContain('API_KEY');
    expect(snippet(language, { ...call, keyed: true })).toContain('API_KEY');
  }
});
