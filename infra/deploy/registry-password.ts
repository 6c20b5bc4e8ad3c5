/** Password of the account's image registry, for `docker login --username AWS --password-stdin`. */
import { ECRClient, GetAuthorizationTokenCommand } from '@aws-sdk/client-ecr';
import { program } from './program.ts';

await program(async () => {
  const { authorizationData } = await new ECRClient({}).send(new GetAuthorizationTokenCommand({}));
  // Base64 of `AWS:PASSWORD`.
  const token = Buffer.from(authorizationData?.[0]?.authorizationToken ?? '', 'base64').toString();
  process.stdout.write(token.slice(token.indexOf(':') + 1));
});
