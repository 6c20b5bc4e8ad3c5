/** KMS key that signs new versions. It never leaves KMS: the training job sends it digests. */
import { CfnOutput, RemovalPolicy } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';
import type { Settings } from '../../settings.ts';

/** The key of the settings, or a new one, with an output that says how to see its public half. */
export function addSigningKey(scope: Construct, setting: Settings['training']['signingKey']): kms.IKey | undefined {
  if (setting === null) return undefined;
  const key = setting === 'create' ? newKey(scope) : kms.Key.fromKeyArn(scope, 'SigningKey', setting);
  new CfnOutput(scope, 'ShowPublicKey', {
    description: 'Prints the public key of training.signingKey, for serving.trustedKeys',
    value: `aws kms get-public-key --key-id ${key.keyArn} --query PublicKey --output text`,
  });
  return key;
}

function newKey(scope: Construct): kms.Key {
  return new kms.Key(scope, 'SigningKey', {
    description: 'Signs versions of models',
    // What gpt signs with: training/store/src/signature.
    keySpec: kms.KeySpec.ECC_NIST_P256,
    keyUsage: kms.KeyUsage.SIGN_VERIFY,
    // Functions trust it by its public half; without the stack it can still sign, by its ARN.
    removalPolicy: RemovalPolicy.RETAIN,
  });
}

/** What signing takes, with this key alone. */
export function mayUse(key: kms.IKey): iam.PolicyStatement {
  return new iam.PolicyStatement({
    sid: 'SignVersions',
    actions: ['kms:GetPublicKey', 'kms:Sign'],
    resources: [key.keyArn],
  });
}
