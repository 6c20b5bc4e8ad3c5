/** Crossover of function and service, computed by hand. */
import { expect, test } from 'vitest';
import { crossover, MEASURED, requestUsd, serviceHourUsd } from '../lib/costs/crossover.ts';
import { monthlyCosts } from '../lib/costs/monthly.ts';
import { parseSettings } from '../settings.ts';

const { lambda, tokensPerRequest } = MEASURED;
const fast = { vcpus: 2, tokensPerSecond: 1762 } as const;
const slow = { vcpus: 2, tokensPerSecond: 476 } as const;

test('a request of the function costs its GB-seconds, its invocation, and the API', () => {
  // 1.7275 GB for 0.175 s.
  expect(requestUsd(lambda, false)).toBeCloseTo(5.239e-6, 9);
  expect(requestUsd(lambda, true)).toBeCloseTo(8.739e-6, 9);
});

test('an hour of the service costs its tasks and the load balancer', () => {
  // 2 vCPUs, 4 GB and an address; an hour and a unit of the load balancer.
  const task = 0.08096 + 0.01778 + 0.005;
  expect(serviceHourUsd({ vcpus: 2 }, 1)).toBeCloseTo(task + 0.0305);
  expect(serviceHourUsd({ vcpus: 2 }, 3)).toBeCloseTo(3 * task + 0.0305);
});

test('a task that batches is worth it from some hundred thousand requests a day', () => {
  // 3.22 a day.
  expect(crossover(8.739e-6, fast, tokensPerRequest)).toEqual({ requestsPerDay: 368_665, tasks: 1 });
  expect(crossover(5.239e-6, fast, tokensPerRequest)).toEqual({ requestsPerDay: 614_958, tasks: 1 });
});

test('a text at a time is never cheaper than the function alone: 246,758 requests a day for 2.49', () => {
  expect(crossover(5.239e-6, slow, tokensPerRequest)).toBeNull();
});

test('as many tasks are counted as the requests take', () => {
  // One task does 246,758 a day, at most; two do 493,516, and cost 5.71.
  expect(crossover(12e-6, slow, tokensPerRequest)).toEqual({ requestsPerDay: 475_960, tasks: 2 });
});

test('a stage with a service pays for it, used or not', () => {
  const settings = parseSettings('test', {
    serving: { compute: 'ecs', package: 'image', apiKeySha256: ['a'.repeat(64)], service: { minTasks: 2 } },
  });
  const use = { trainingsPerMonth: 0, requestsPerMonth: 0, hoursInUse: 0 };
  const items = monthlyCosts({ settings, alarms: 4, dashboards: 1, use });
  const usd = (name: string) => items.find(({ what }) => what === name)?.usd;
  expect(usd('Service')).toBeCloseTo(730 * (2 * 0.10374 + 0.0305));
  // The length of its queue.
  expect(usd('Metrics')).toBeCloseTo(0.3);
});
