/** Site stack: distribution, content policy, uploads. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Annotations, Match, type Template } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { API_ROUTES } from '../lib/site/site-stack.ts';
import type { SettingsInput } from '../settings.ts';
import { addTestStacks, newApp, synthesize } from './support.ts';

const { site } = synthesize();
const [{ Properties }] = Object.values(site.findResources('AWS::CloudFront::Distribution')) as [any];
const { DistributionConfig } = Properties;

test('the page is reached through CloudFront only', () => {
  site.hasResourceProperties('AWS::S3::Bucket', {
    PublicAccessBlockConfiguration: { BlockPublicPolicy: true, RestrictPublicBuckets: true },
    WebsiteConfiguration: Match.absent(),
  });
  site.hasResourceProperties('AWS::CloudFront::OriginAccessControl', {
    OriginAccessControlConfig: { SigningBehavior: 'always', SigningProtocol: 'sigv4' },
  });
  expect(DistributionConfig.DefaultRootObject).toBe('index.html');
  expect(DistributionConfig.DefaultCacheBehavior.ViewerProtocolPolicy).toBe('redirect-to-https');
});

test('the API has the same domain, and is not cached', () => {
  const behaviors = DistributionConfig.CacheBehaviors;
  expect(behaviors.map(({ PathPattern }: any) => PathPattern)).toEqual(API_ROUTES);
  const cachingDisabled = '4135ea2d-6df8-44a3-9df3-4b5a84be39ad';
  const allViewerExceptHostHeader = 'b689b0a8-53d0-40ab-baf2-68738e2966ac';
  for (const behavior of behaviors) {
    expect(behavior).toMatchObject({
      CachePolicyId: cachingDisabled,
      OriginRequestPolicyId: allViewerExceptHostHeader,
      ViewerProtocolPolicy: 'https-only',
      Compress: false,
    });
    expect(behavior.AllowedMethods).toContain('POST');
  }
  expect(DistributionConfig.Origins).toContainEqual(expect.objectContaining({ OriginPath: '/api' }));
});

test('a function URL has no path', () => {
  const template = synthesize({ serving: { endpoint: 'function-url', apiKey: null } }).site;
  const [distribution] = Object.values(template.findResources('AWS::CloudFront::Distribution')) as [any];
  const origins = distribution.Properties.DistributionConfig.Origins;
  expect(origins.filter(({ OriginPath }: any) => OriginPath)).toEqual([]);
});

describe('CloudFront waits for an answer', () => {
  const waits = (template: Template): number[] => {
    const [distribution] = Object.values(template.findResources('AWS::CloudFront::Distribution')) as [any];
    const { Origins } = distribution.Properties.DistributionConfig;
    return Origins.flatMap(({ CustomOriginConfig, VpcOriginConfig }: any) =>
      [CustomOriginConfig, VpcOriginConfig].flatMap((origin) => origin?.OriginReadTimeout ?? []),
    );
  };
  const service: SettingsInput['serving'] = { compute: 'ecs', package: 'image', apiKeySha256: ['0'.repeat(64)] };

  // A cold start of 10 s more, and 120 s at the most.
  test.each([
    [1, 11],
    [60, 70],
    [110, 120],
    [111, 120],
    [890, 120],
  ])('that may take %i s: %i s', (timeLimitSeconds, expected) => {
    expect(waits(synthesize({ serving: { timeLimitSeconds } }).site)).toEqual([expected]);
    expect(waits(synthesize({ serving: { ...service, timeLimitSeconds } }).site)).toEqual([expected]);
  });

  test('and a longer one is warned of, with the remedy', () => {
    const warnings = (timeLimitSeconds: number) => {
      const { site } = addTestStacks(newApp(), { serving: { timeLimitSeconds } });
      return Annotations.fromStack(site!).findWarning('*', Match.stringLikeRegexp('timeLimitSeconds'));
    };
    expect(warnings(110)).toEqual([]);
    const [warning, ...others] = warnings(111);
    expect(others).toEqual([]);
    expect(warning!.entry.data).toContain('serving.timeLimitSeconds is 111, and CloudFront waits 120 s');
    expect(warning!.entry.data).toContain('Expected at most 110');
  });
});

/** The page's Content-Security-Policy with these APIs to compare. */
function contentPolicy(compare: string[] = []): string {
  const template = compare.length > 0 ? synthesize({ site: { compare } }).site : site;
  const [policy] = Object.values(template.findResources('AWS::CloudFront::ResponseHeadersPolicy')) as [any];
  return policy.Properties.ResponseHeadersPolicyConfig.SecurityHeadersConfig.ContentSecurityPolicy.ContentSecurityPolicy;
}

test('browsers are told how little the page may do', () => {
  site.hasResourceProperties('AWS::CloudFront::ResponseHeadersPolicy', {
    ResponseHeadersPolicyConfig: {
      SecurityHeadersConfig: {
        ContentSecurityPolicy: { Override: true },
        ContentTypeOptions: { Override: true },
        FrameOptions: { FrameOption: 'DENY' },
        ReferrerPolicy: { ReferrerPolicy: 'no-referrer' },
        StrictTransportSecurity: { AccessControlMaxAgeSec: 31_536_000 },
      },
    },
  });
  expect(contentPolicy()).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
      "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  );
});

test('the page may call the APIs that it compares', () => {
  const compare = ['https://a.example.org/api/', 'https://b.example.org:8443', 'https://a.example.org/other'];
  expect(contentPolicy(compare)).toContain("connect-src 'self' https://a.example.org https://b.example.org:8443;");
});

test("the API's own headers pass: its documentation has styles that the page may not have", () => {
  expect(DistributionConfig.DefaultCacheBehavior.ResponseHeadersPolicyId).toBeDefined();
  for (const { PathPattern, ResponseHeadersPolicyId } of DistributionConfig.CacheBehaviors) {
    expect(ResponseHeadersPolicyId, PathPattern).toBeUndefined();
  }
});

test('files with hashes in their names are kept by browsers, pages and config.json are not', () => {
  const uploads = site.findResources('Custom::CDKBucketDeployment') as Record<string, any>;
  const [hashedId, hashed] = Object.entries(uploads).find(([id]) => id.startsWith('UploadHashed'))!;
  const [, pages] = Object.entries(uploads).find(([id]) => !id.startsWith('UploadHashed'))!;
  expect(hashed.Properties).toMatchObject({
    Exclude: ['*'],
    Include: ['assets/*'],
    Prune: false,
    SystemMetadata: { 'cache-control': 'public, max-age=31536000, immutable' },
  });
  expect(pages.Properties).toMatchObject({ Exclude: ['assets/*'], Prune: true, SystemMetadata: { 'cache-control': 'no-cache' } });
  expect(pages.Properties.Include).toBeUndefined();
  expect(pages.DependsOn).toContain(hashedId);
});

test('the deployment tells the page where APIs are', () => {
  const app = newApp();
  addTestStacks(app, { site: { compare: ['https://a.example.org/api'] } });
  const { directory } = app.synth();
  const configs = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('config.json'));
  expect(configs.map((path) => JSON.parse(readFileSync(join(directory, path), 'utf8')))).toEqual([
    { api: '', compare: ['https://a.example.org/api'] },
  ]);
});

test('a domain of your own has TLS 1.2 at least', () => {
  const certificateArn = 'arn:aws:acm:us-east-1:123456789012:certificate/abc';
  const template = synthesize({ site: { domain: { name: 'llm.example.org', certificateArn } } }).site;
  template.hasResourceProperties('AWS::CloudFront::Distribution', {
    DistributionConfig: {
      Aliases: ['llm.example.org'],
      ViewerCertificate: { AcmCertificateArn: certificateArn, MinimumProtocolVersion: 'TLSv1.2_2021' },
    },
  });
});

test('without a page there is no site', () => {
  const stacks = addTestStacks(newApp(), { site: { directory: 'no/such/folder' } });
  expect(stacks.site).toBeUndefined();
});
