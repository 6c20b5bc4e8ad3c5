/** What is measured, and how it is told. */

const DAY_MS = 86_400_000;

/** Age in days of a version such as `20261124T111814Z-5f91535e`, whose name begins with when it was made. */
export function ageDays(version, now) {
  const parts = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z-/.exec(version);
  if (!parts) throw new Error(`expected a version that begins with its time, found ${version}`);
  const [year, month, day, hour, minute, second] = parts.slice(1).map(Number);
  return (now - Date.UTC(year, month - 1, day, hour, minute, second)) / DAY_MS;
}

/** A line in CloudWatch's embedded metric format. */
export function metricLine(days, functionName, now) {
  return JSON.stringify({
    _aws: {
      Timestamp: now,
      CloudWatchMetrics: [
        {
          Namespace: 'TroelsLLM',
          Dimensions: [['FunctionName']],
          Metrics: [{ Name: 'ModelAgeDays' }],
        },
      ],
    },
    FunctionName: functionName,
    ModelAgeDays: days,
  });
}
