/** Snippets that ask the API for the text of the page: for curl, Python and JavaScript. */
import type { Sampling } from '../../api/types.ts';

/** What the languages are called. */
export const LANGUAGES = ['curl', 'Python', 'JavaScript'] as const;
export type Language = (typeof LANGUAGES)[number];

/** A request to the API. */
export interface Call {
  /** Address of the API, without a slash at its end. */
  readonly address: string;
  readonly model: string;
  readonly prompt: string;
  readonly sampling: Sampling;
  /** Whether the API asks for a key: then it is read from the environment variable `API_KEY`. */
  readonly keyed: boolean;
}

/** The call in a language. */
export function snippet(language: Language, call: Call): string {
  return { curl, Python: python, JavaScript: javascript }[language](call);
}

function curl({ address, prompt, sampling, keyed }: Call): string {
  return [
    `curl ${shell(`${address}/generate`)}`,
    `-H 'content-type: application/json'`,
    ...(keyed ? ['-H "x-api-key: $API_KEY"'] : []),
    `-d ${shell(JSON.stringify({ prompt, ...sampling }))}`,
  ].join(' \\\n  ');
}

/** A word of the shell, whatever is in it. */
function shell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function python({ address, model, prompt, sampling, keyed }: Call): string {
  const { top_k, ...known } = sampling;
  const key = keyed ? 'os.environ["API_KEY"]' : '"-"';
  const headers = keyed ? ', default_headers={"x-api-key": os.environ["API_KEY"]}' : '';
  return [
    '# pip install openai',
    ...(keyed ? ['import os', ''] : []),
    'from openai import OpenAI',
    '',
    `client = OpenAI(base_url=${JSON.stringify(`${address}/v1`)}, api_key=${key}${headers})`,
    'completion = client.completions.create(',
    // A string of JSON is one of Python.
    ...Object.entries({ model, prompt, ...known }).map(([name, value]) => `    ${name}=${JSON.stringify(value)},`),
    `    extra_body={"top_k": ${top_k}},`,
    ')',
    'print(completion.choices[0].text)',
  ].join('\n');
}

function javascript({ address, prompt, sampling, keyed }: Call): string {
  const key = keyed ? ', "x-api-key": process.env.API_KEY' : '';
  return [
    `const response = await fetch(${JSON.stringify(`${address}/generate`)}, {`,
    '  method: "POST",',
    `  headers: { "content-type": "application/json"${key} },`,
    `  body: JSON.stringify(${JSON.stringify({ prompt, ...sampling }, null, 2).replaceAll('\n', '\n  ')}),`,
    '});',
    'const { response: text } = await response.json();',
    'console.log(text);',
  ].join('\n');
}
