/** Buckets and image repositories of a stage that stayed when its stacks were deleted, found by their names. */
import { ECRClient, paginateDescribeRepositories } from '@aws-sdk/client-ecr';
import { paginateListBuckets, S3Client } from '@aws-sdk/client-s3';
import { stackName } from '../lib/names.ts';
import type { Adopted } from '../settings/storage.ts';

/** Logical ids in lib/storage, which CloudFormation puts into the names that it makes. */
const BUCKETS = { artifacts: 'Artifacts', corpus: 'Corpus' } as const;
const REPOSITORIES = { trainingImages: 'TrainingImages', functionImages: 'FunctionImages' } as const;

/** The newest of each kind, as `storage.adopt` takes them. */
export async function retained(stage: string, region: string): Promise<Adopted> {
  const buckets: Named[] = [];
  for await (const page of paginateListBuckets({ client: new S3Client({}) }, { BucketRegion: region })) {
    for (const { Name, CreationDate } of page.Buckets ?? []) buckets.push({ name: Name, made: CreationDate });
  }
  const repositories: Named[] = [];
  for await (const page of paginateDescribeRepositories({ client: new ECRClient({}) }, {})) {
    for (const { repositoryName, createdAt } of page.repositories ?? []) {
      repositories.push({ name: repositoryName, made: createdAt });
    }
  }
  return { ...newest(stage, BUCKETS, buckets), ...newest(stage, REPOSITORIES, repositories) };
}

/** What to write into the settings, to go on with it. */
export function asSetting(adopted: Adopted): string {
  const fields = Object.entries(adopted).map(([key, name]) => `${key}: '${name}'`);
  return `storage: { adopt: { ${fields.join(', ')} } }`;
}

interface Named {
  readonly name: string | undefined;
  readonly made: Date | undefined;
}

function newest(stage: string, kinds: Record<string, string>, found: Named[]): Adopted {
  const entries = Object.entries(kinds).flatMap(([key, id]) => {
    const prefix = `${stackName(stage, 'Storage')}-${id}`.toLowerCase();
    const ofKind = found.filter(({ name = '' }) => name.startsWith(prefix));
    const [last] = ofKind.toSorted((one, other) => (other.made?.getTime() ?? 0) - (one.made?.getTime() ?? 0));
    return last?.name ? [[key, last.name]] : [];
  });
  return Object.fromEntries(entries);
}
