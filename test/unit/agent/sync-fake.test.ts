import { FakeS3 } from '../../fakes/s3.js';
import { sharingSuite } from '../../support/agent/sharing-suite.js';
import { syncSuite } from '../../support/agent/sync-suite.js';

const place = () => ({ s3: new FakeS3(), prefix: 'p' });
syncSuite('a server in memory', place);
sharingSuite('a server in memory', place);
