/** Upload of texts to train on, if a bucket has none under a prefix: demo-texts.ts FOLDER BUCKET [PREFIX] */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { program } from './program.ts';

await program(async (folder = '', Bucket = '', prefix = '') => {
  const s3 = new S3Client({});
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: prefix }));
  // The console makes an empty object for a folder.
  const [text] = Contents.filter(({ Key }) => !Key?.endsWith('/'));
  if (text) {
    console.error(`s3://${Bucket}/${prefix} has texts, such as ${text.Key}: they stay as they are`);
    return;
  }
  for (const file of readdirSync(folder)) {
    await s3.send(new PutObjectCommand({ Bucket, Key: `${prefix}${file}`, Body: readFileSync(join(folder, file)) }));
    console.error(`s3://${Bucket}/${prefix}${file}: uploaded`);
  }
});
