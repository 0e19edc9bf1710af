// Bundles Berth's programs into dist/: `node build.mjs`.
// One file a program, so that an image needs no node_modules.
import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = path.dirname(fileURLToPath(import.meta.url));
const at = (...parts) => path.join(root, ...parts);

const programs = {
  api: 'api/main.ts',
  keys: 'api/keys.ts',
  controller: 'controller/main.ts',
  plan: 'controller/plan-command.ts',
  'agent/agent': 'agent/main.ts',
  'agent/testspace': 'agent/testspace/main.ts',
};

/** dockerode can reach an engine over ssh; Berth never does, and that part needs native add-ons. */
const withoutSsh = {
  name: 'without-ssh',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(ssh2|cpu-features)$/ }, ({ path: name }) => ({
      path: name,
      namespace: 'without-ssh',
    }));
    onLoad({ filter: /.*/, namespace: 'without-ssh' }, () => ({ contents: 'module.exports = {};' }));
  },
};

/** To import node:http makes Node 24 load `fetch` with it, 9 MiB that the agent never uses; require() does not. */
const httpWithoutFetch = {
  name: 'http-without-fetch',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?http$/ }, ({ kind }) =>
      kind === 'import-statement' ? { path: 'http', namespace: 'required' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'required' }, () => ({
      contents: "module.exports = require('node:http');",
    }));
  },
};

// CommonJS dependencies inside an ESM bundle still call require() for Node's own modules.
const banner = [
  "import { createRequire as __createRequire } from 'node:module';",
  'const require = __createRequire(import.meta.url);',
].join(' ');

await rm(at('dist'), { recursive: true, force: true });

const common = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  logLevel: 'warning',
  legalComments: 'none',
};

await build({
  ...common,
  entryPoints: Object.entries(programs).map(([out, source]) => ({ in: source, out })),
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  platform: 'node',
  target: 'node20',
  minifySyntax: true,
  // The agent holds its source in memory all day, in two bytes a character where a comment has a dash.
  minifyWhitespace: true,
  lineLimit: 120, // so that a stack trace still tells a place
  sourcemap: false,
  plugins: [withoutSsh, httpWithoutFetch],
  banner: { js: banner },
});

// The desktop's page: its scripts are bundled for the browser, the rest is copied as it is.
const page = await readdir(at('agent/novnc'));
await mkdir(at('dist/agent/novnc'), { recursive: true });
await build({
  ...common,
  entryPoints: page.filter((name) => name.endsWith('.ts')).map((name) => path.join('agent/novnc', name)),
  outdir: 'dist/agent/novnc',
  platform: 'browser',
  target: 'es2022',
  minify: true,
});
for (const name of page.filter((name) => !name.endsWith('.ts'))) {
  await cp(at('agent/novnc', name), at('dist/agent/novnc', name), { recursive: true });
}
