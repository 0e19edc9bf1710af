import { parseArgs } from 'node:util';
import { systemClock } from '../shared/clock.js';
import { messageOf } from '../shared/errors.js';
import { createLogger } from '../shared/logger.js';
import { desiredSchema } from '../shared/model/desired.js';
import { yamlCodec } from '../shared/store/codec.js';
import { RecordFolder } from '../shared/store/record-folder.js';
import { openRecords } from '../shared/store/records.js';
import { readControllerSettings } from './config.js';
import { connect } from './connect.js';
import { describePlans, type Planned } from './plan-report.js';
import { plan } from './plan/plan.js';
import { createLook } from './reconcile/look.js';
import { Promises } from './reconcile/promises.js';
import { StartQueue } from './reconcile/start-queue.js';
import { workspaceIds } from './reconcile/world.js';

const USAGE = 'usage: plan [--desired FOLDER] [ID …]';

/** `make plan`: prints what the controller would do next, by its own rules, and does nothing of it. */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { desired: { type: 'string' } },
    allowPositionals: true,
  });
  const settings = await readControllerSettings(process.env);
  const ports = await connect(settings, {
    clock: systemClock,
    logger: createLogger('plan', settings.BERTH_LOG_LEVEL),
  });
  const records = await openRecords(settings.BERTH_STATE_DIR);
  if (values.desired !== undefined)
    records.desired = new RecordFolder(values.desired, yamlCodec, desiredSchema);
  const view = await ports.cluster.observe();
  const known = [await records.desired.ids(), await records.observed.ids(), [...workspaceIds(view)]].flat();
  const ids = positionals.length > 0 ? positionals : [...new Set(known)].sort();
  const look = createLook({
    ...ports,
    records,
    fresh: async () => view,
    promises: new Promises(),
    starts: new StartQueue(Infinity),
    clock: systemClock,
    logger: createLogger('plan', 'error'),
    onLook: () => undefined,
  });
  const plans: Planned[] = [];
  for (const id of ids) {
    const { input } = await look(id);
    plans.push({ id, declaration: input.declaration, before: input.observed, decision: plan(input) });
  }
  process.stdout.write(describePlans(plans));
  ports.prober.close();
}

main().catch((error: unknown) => {
  process.stderr.write(`plan: ${messageOf(error)}\n${USAGE}\n`);
  process.exitCode = 1;
});
