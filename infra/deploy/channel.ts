/** The version that a channel of a model store names, or nothing if there is none: channel.ts STORE CHANNEL */
import { GetObjectCommand, NoSuchKey, S3Client } from '@aws-sdk/client-s3';
import { program, reason } from './program.ts';

await program(async (store = '', channel = '') => {
  const Key = `channels/${channel}.json`;
  try {
    const { Body } = await new S3Client({}).send(new GetObjectCommand({ Bucket: new URL(store).hostname, Key }));
    const { version } = JSON.parse((await Body?.transformToString()) ?? '');
    if (typeof version !== 'string') throw new Error('it names no version');
    console.log(version);
  } catch (error) {
    // Anything else says nothing about the channel: a first model must not take the place of a real one.
    if (error instanceof NoSuchKey) return;
    throw new Error(
      `${store}/${Key} cannot be read, so nothing is trained: ${reason(error)}; needed are s3:GetObject, and ` +
        's3:ListBucket, without which a channel that is not there looks like a denied one',
    );
  }
});
