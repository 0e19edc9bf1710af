import { forSingleWriter } from '../../../shared/s3/single-writer.js';
import { FakeS3 } from '../../fakes/s3.js';
import { inputSuite } from '../../support/agent/input-suite.js';
import { sharingSuite } from '../../support/agent/sharing-suite.js';
import { syncSuite } from '../../support/agent/sync-suite.js';

const place = () => ({ s3: new FakeS3(), prefix: 'p' });
syncSuite('a server in memory', place);
syncSuite('a server that refuses conditions', () => {
  const s3 = new FakeS3();
  s3.refusesConditions = true;
  return { s3: forSingleWriter(s3, () => undefined), prefix: 'p' };
});
sharingSuite('a server in memory', place);
inputSuite('a server in memory', place);
