import { FakeS3 } from '../../fakes/s3.js';
import { syncSuite } from '../../support/agent/sync-suite.js';

syncSuite('a server in memory', () => ({ s3: new FakeS3(), prefix: 'p' }));
