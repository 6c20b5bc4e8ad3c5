/** Assembly of the stacks of a stage, with cdk-nag's checks on all of them. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Annotations, type App, Tags, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { Settings } from '../settings.ts';
import { acknowledge } from './acknowledgements.ts';
import { worstCaseSentence } from './costs/worst-case.ts';
import { ObservabilityStack } from './observability/observability-stack.ts';
import { alarmTopicName, stackName } from './names.ts';
import { PROJECT_FOLDER } from './paths.ts';
import { ServiceStack } from './serving/service/service-stack.ts';
import { ServingStack } from './serving/serving-stack.ts';
import { SiteStack } from './site/site-stack.ts';
import { StorageStack } from './storage/storage-stack.ts';
import { TrainingStack } from './training/training-stack.ts';
import type { Stacks } from './stacks.ts';

export function addStacks(app: App, stage: string, settings: Settings): Stacks {
  const name = (stack: Parameters<typeof stackName>[1]) => stackName(stage, stack);
  const storage = new StorageStack(app, name('Storage'), { settings: settings.storage });
  const { artifacts, corpus } = storage;
  const { channel } = settings.serving;
  const topicName = alarmTopicName(stage);
  const ServingOrServiceStack = settings.serving.compute === 'ecs' ? ServiceStack : ServingStack;
  const serving = new ServingOrServiceStack(app, name('Serving'), {
    settings: settings.serving,
    alarms: { settings: settings.alarms, topicName },
    artifacts,
    images: storage.functionImages,
  });
  const training = new TrainingStack(app, name('Training'), {
    settings: settings.training,
    prune: settings.storage.prune,
    channel,
    artifacts,
    corpus,
    images: storage.trainingImages,
  });
  const observability = new ObservabilityStack(app, name('Observability'), {
    settings: settings.alarms,
    topicName,
    channel,
    artifacts,
    serving,
    training,
  });

  Annotations.of(serving).addInfo(worstCaseSentence(stage, settings));

  const folder = resolve(PROJECT_FOLDER, settings.site.directory);
  let site: SiteStack | undefined;
  if (existsSync(folder)) {
    site = new SiteStack(app, name('Site'), {
      settings: settings.site,
      folder,
      endpoint: serving.endpoint,
      timeLimitSeconds: settings.serving.timeLimitSeconds,
      accessLogs: storage.accessLogs,
    });
  } else if (settings.serving.compute === 'ecs') {
    throw new Error(
      `site.directory: there is no ${folder}, and a service is reached only through the page's CloudFront; ` +
        'scripts/build-site.sh builds it',
    );
  } else {
    Annotations.of(serving).addInfo(
      `site.directory: there is no ${folder}, so no site is deployed; scripts/deploy.sh builds it`,
    );
  }
  const stacks = { storage, serving, training, observability, ...(site && { site }) };

  Tags.of(app).add('project', 'TroelsLLM');
  Tags.of(app).add('stage', stage);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  acknowledge(stacks);
  return stacks;
}
