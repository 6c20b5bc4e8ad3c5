/** Worst case of a day, computed by hand from the prices. */
import { expect, test } from 'vitest';
import { worstCase, worstCaseSentence } from '../lib/costs/worst-case.ts';
import { parseSettings, type SettingsInput } from '../settings.ts';

const worst = (input: SettingsInput = {}) => worstCase(parseSettings('test', input));
/** A request with its log: API Gateway, Lambda, 1.6 kB. */
const CALL = 3.5e-6 + 0.2e-6 + 0.5 * 1.6e-6;
/** A second of 1,769 MB. */
const SECOND = (1769 / 1024) * 0.0000166667;

test('the quota of a key bounds texts, and the rate what is refused before', () => {
  // 1,000 texts of 60 s, and 5 to end in; a call a second, of which those beyond the texts take 0.01 s.
  const others = 85_400 * 0.01;
  expect(worst().callers).toBeCloseTo(86_400 * CALL + (1000 * 65 + others) * SECOND, 6);
  const two = { apiKey: { names: ['a', 'b'], requestsPerDay: 500 }, timeLimitSeconds: 25 };
  expect(worst({ serving: two }).callers).toBeCloseTo(86_400 * CALL + (1000 * 30 + others) * SECOND, 6);
});

test('without a key the rate bounds all, and what is reserved bounds the seconds', () => {
  expect(worst({ serving: { apiKey: null } }).callers).toBeCloseTo(86_400 * (CALL + 65 * SECOND), 4);
  const reserved = { apiKey: null, reservedConcurrency: 10 };
  expect(worst({ serving: reserved }).callers).toBeCloseTo(86_400 * (CALL + 10 * SECOND), 4);
});

test('provisioned instances are paid for all day, besides what they do', () => {
  const more = worst({ serving: { provisionedConcurrency: 2 } }).callers - worst().callers;
  expect(more).toBeCloseTo(86_400 * 2 * (1769 / 1024) * 0.0000041667, 6);
});

test('a function URL is bounded by what runs at once: an account has 1,000', () => {
  const calls = (count: number) => count * 86_400 * (100 * (0.2e-6 + 0.5 * 1.6e-6) + SECOND);
  const url = { endpoint: 'function-url', apiKey: null } as const;
  expect(worst({ serving: url }).callers).toBeCloseTo(calls(1000), 2);
  expect(worst({ serving: { ...url, reservedConcurrency: 3 } }).callers).toBeCloseTo(calls(3), 4);
});

test('a service costs what all of its tasks cost', () => {
  const apiKeySha256 = ['0'.repeat(64)];
  // Two vCPUs, 4 GB and an address each; the load balancer with a unit.
  const hour = 3 * (2 * 0.04048 + 4 * 0.004445 + 0.005) + 0.0225 + 0.008;
  const service = { compute: 'ecs', package: 'image', apiKeySha256, service: { maxTasks: 3 } } as const;
  expect(worst({ serving: service }).callers).toBeCloseTo(24 * hour, 6);
});

test('training fills both queues all day', () => {
  // 16 vCPUs on Spot, at the full price, and 16 that are not: four jobs of 4 vCPUs and 8 GB each.
  const job = 4 * 0.04048 + 8 * 0.004445 + 0.005;
  expect(worst().training).toBeCloseTo(24 * 8 * job, 6);
  expect(worst({ training: { spot: false, storageGb: 120 } }).training).toBeCloseTo(24 * 4 * (job + 100 * 0.000111), 6);
  const prune = { cron: '0 3 ? * SUN *', timeZone: 'UTC' };
  const pruning = 0.04048 + 4 * (0.004445 + 0.005);
  expect(worst({ storage: { prune } }).training).toBeCloseTo(24 * (8 * job + pruning), 6);
});

test('what has no price here is named', () => {
  const settings = parseSettings('test', {
    serving: { managedInstances: {}, memoryMb: 2048 },
    training: { compute: 'ec2', spot: false, maxVcpus: 8 },
  });
  expect(worstCase(settings)).toMatchObject({ callers: expect.closeTo(86_400 * CALL, 6), training: 0 });
  expect(worstCaseSentence('dev', settings)).toBe(
    'stage dev costs at most 0.39 USD a day besides what it stores: callers 0.39, training 0.00; not counted: ' +
      'instances of serving.managedInstances (16 vCPUs), instances of training (8 vCPUs), traffic of page and documentation',
  );
});
