/** The settings of a stage that scripts/deploy.sh needs: stage-settings.ts STAGE */
import { settingsOf } from '../settings.ts';
import { print, program } from './program.ts';

await program((stage = '') => {
  const { serving, training, alarms } = settingsOf(stage);
  // Docker's name for a tag that moves. Ours do not: the commit takes its place.
  const fixed = (tag: string) => (tag === 'latest' ? '' : tag);
  const yes = (condition: boolean) => (condition ? 'yes' : '');
  print({
    email: alarms.email ?? '',
    channel: serving.channel,
    corpus_prefix: training.corpusPrefix,
    package: serving.package,
    arm64: yes(serving.architecture === 'arm64'),
    function_tag: fixed(serving.imageTag),
    training_tag: fixed(training.imageTag),
    cuda: yes(training.gpus > 0),
    api_key: yes(serving.apiKey !== null),
    // Known to the function by its digest only.
    secret_key: yes(serving.apiKeySha256.length > 0),
  });
});
