/**
 * One invocation of a function that runs elsewhere on this machine: prints the environment that Lambda would give it, a
 * line for each variable and an empty one; then, when it has answered the request for a text, the answer.
 */
import { httpEvent, lambdaRuntime } from './lambda-runtime.ts';

const runtime = await lambdaRuntime();
for (const [name, value] of Object.entries(runtime.environment)) console.log(`${name}=${value}`);
console.log();
const body = Buffer.from(JSON.stringify({ prompt: 'Every day', max_tokens: 5, temperature: 0 }));
const headers = { 'content-type': 'application/json' };
const answer = await runtime.invoke('1', httpEvent('1', { method: 'POST', path: '/generate', headers, body }));
console.log(answer.toString());
await runtime.stop();
