/**
 * Prices of AWS in us-east-1, in USD, without taxes; as of November 2026. They change, and other regions differ by up
 * to a third.
 */

/** Hours of a month, as AWS counts. */
export const HOURS_PER_MONTH = 730;
export const DAYS_PER_MONTH = HOURS_PER_MONTH / 24;

export const PRICES = {
  /** https://aws.amazon.com/lambda/pricing: x86. SnapStart's price is that for Python and .NET. */
  lambda: {
    gbSecond: 0.0000166667,
    request: 0.2e-6,
    snapStartGbSecond: 0.0000015046,
    provisionedGbSecond: 0.0000041667,
  },
  /** https://aws.amazon.com/api-gateway/pricing: a REST API's first 333 million requests. */
  restApi: { request: 3.5e-6 },
  /**
   * https://aws.amazon.com/fargate/pricing: Linux on x86, and storage beyond what is free. Spot is the share that is paid,
   * as it was seen.
   */
  fargate: { vcpuHour: 0.04048, gbHour: 0.004445, storageGbHour: 0.000111, freeStorageGb: 20, spotShare: 0.3 },
  /** https://aws.amazon.com/vpc/pricing: a public IPv4 address. */
  ipv4: { hour: 0.005 },
  /** https://aws.amazon.com/elasticloadbalancing/pricing: application load balancer; a capacity unit. */
  balancer: { hour: 0.0225, unitHour: 0.008 },
  /** https://aws.amazon.com/s3/pricing: S3 Standard. */
  s3: { gbMonth: 0.023 },
  /** https://aws.amazon.com/ecr/pricing */
  ecr: { gbMonth: 0.1 },
  /** https://aws.amazon.com/cloudwatch/pricing: custom metrics count by the hour in which they get a value. */
  cloudwatch: { metricMonth: 0.3, alarmMonth: 0.1, dashboardMonth: 3, logGb: 0.5 },
  /** https://aws.amazon.com/kms/pricing: a key, whatever it is for. */
  kms: { keyMonth: 1 },
  /** https://aws.amazon.com/waf/pricing: an ACL and each of its rules. */
  waf: { aclMonth: 5, ruleMonth: 1 },
};

/** What an account has for nothing each month, whatever stages are in it. */
export const FREE = { alarms: 10, metrics: 10, dashboards: 3, logGb: 5 };
