/** Settings of the page. */
import { z } from 'zod';

/** Base URL of an API. Its host goes into the content policy, so the characters are restricted. */
const apiAddress = z
  .string()
  .regex(/^https:\/\/[a-z0-9.-]+(:\d+)?(\/[A-Za-z0-9._~-]+)*\/?$/, 'expected https:// and a host, and a path if the API has one');

export const site = z.strictObject({
  /**
   * Folder of the built page, relative to this folder; `scripts/deploy.sh` builds it. Without it the site stack is
   * left out.
   */
  directory: z.string().min(1).default('site/dist'),
  /**
   * Base URLs of other APIs (the output `Url` of their stages) whose models the page compares with this one. Each
   * has to name the page's origin in its own `serving.corsOrigins`.
   */
  compare: z.array(apiAddress).default([]),
  /** A custom domain; otherwise the page has a name under cloudfront.net. */
  domain: z
    .strictObject({
      name: z.string().regex(/^([a-z0-9-]+\.)+[a-z]+$/, 'expected a domain such as llm.example.org'),
      certificateArn: z
        .string()
        .regex(/^arn:aws:acm:us-east-1:\d{12}:certificate\/\S+$/, 'expected a certificate of ACM in us-east-1'),
    })
    .nullable()
    .default(null),
});
