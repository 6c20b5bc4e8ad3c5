/** Image repository of another stack, known by its name alone. */
import * as ecr from 'aws-cdk-lib/aws-ecr';
import type { Construct } from 'constructs';

/** The address of an image is made of the parts of its ARN, and those of a weak reference cannot be taken apart. */
export function repositoryOf(scope: Construct, images: ecr.IRepository): ecr.IRepository {
  return ecr.Repository.fromRepositoryName(scope, 'Images', images.repositoryName);
}
