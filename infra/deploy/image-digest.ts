/**
 * Digest of the image with a tag, or of the one pushed last, or nothing if there is none:
 * image-digest.ts REPOSITORY [TAG]
 */
import {
  DescribeImagesCommand,
  ECRClient,
  type ImageDetail,
  ImageNotFoundException,
  paginateDescribeImages,
} from '@aws-sdk/client-ecr';
import { program } from './program.ts';

const client = new ECRClient({});

await program(async (repositoryName = '', imageTag) => {
  const image = imageTag ? await tagged(repositoryName, imageTag) : await newest(repositoryName);
  if (image) console.log(image.imageDigest);
});

async function tagged(repositoryName: string, imageTag: string): Promise<ImageDetail | undefined> {
  try {
    const found = await client.send(new DescribeImagesCommand({ repositoryName, imageIds: [{ imageTag }] }));
    return found.imageDetails?.[0];
  } catch (error) {
    if (error instanceof ImageNotFoundException) return undefined;
    throw error;
  }
}

async function newest(repositoryName: string): Promise<ImageDetail | undefined> {
  const images: ImageDetail[] = [];
  const tagged = { repositoryName, filter: { tagStatus: 'TAGGED' } as const };
  for await (const page of paginateDescribeImages({ client }, tagged)) images.push(...(page.imageDetails ?? []));
  const time = ({ imagePushedAt }: ImageDetail) => imagePushedAt?.getTime() ?? 0;
  return images.toSorted((one, other) => time(other) - time(one))[0];
}
