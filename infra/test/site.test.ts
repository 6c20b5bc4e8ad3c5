import { Match } from 'aws-cdk-lib/assertions';
import { expect, test } from 'vitest';
import { API_ROUTES } from '../lib/site-stack.ts';
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
  const template = synthesize({ serving: { endpoint: 'function-url' } }).site;
  const [distribution] = Object.values(template.findResources('AWS::CloudFront::Distribution')) as [any];
  const origins = distribution.Properties.DistributionConfig.Origins;
  expect(origins.filter(({ OriginPath }: any) => OriginPath)).toEqual([]);
});

test('browsers are told how little the page may do', () => {
  site.hasResourceProperties('AWS::CloudFront::ResponseHeadersPolicy', {
    ResponseHeadersPolicyConfig: {
      SecurityHeadersConfig: {
        ContentSecurityPolicy: { ContentSecurityPolicy: Match.stringLikeRegexp("^default-src 'none'; script-src 'self';") },
        ContentTypeOptions: { Override: true },
        FrameOptions: { FrameOption: 'DENY' },
        ReferrerPolicy: { ReferrerPolicy: 'no-referrer' },
        StrictTransportSecurity: { AccessControlMaxAgeSec: 31_536_000 },
      },
    },
  });
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
