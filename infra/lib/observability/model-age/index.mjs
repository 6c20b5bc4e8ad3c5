/** Measures once a day how old the model is that a channel names. */
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'; // comes with Lambda's runtime
import { ageDays, metricLine } from './metric.mjs';

export async function handler() {
  const { BUCKET, CHANNEL_KEY, AWS_LAMBDA_FUNCTION_NAME } = process.env;
  const channel = await new S3Client().send(new GetObjectCommand({ Bucket: BUCKET, Key: CHANNEL_KEY }));
  const { version } = JSON.parse(await channel.Body.transformToString());
  const now = Date.now();
  console.log(metricLine(ageDays(version, now), AWS_LAMBDA_FUNCTION_NAME, now));
}
