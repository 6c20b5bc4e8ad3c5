/** What a stage costs in a day at the most, as scripts/deploy.sh says before it builds anything: worst-case.ts STAGE */
import { worstCaseSentence } from '../lib/costs/worst-case.ts';
import { settingsOf } from '../settings.ts';
import { program } from './program.ts';

await program((stage = '') => console.log(worstCaseSentence(stage, settingsOf(stage))));
