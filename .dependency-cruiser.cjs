/**
 * The direction of imports (docs/architecture.md): programs import `shared`, never each other;
 * decisions (`controller/plan`) know nothing of effects; only the Docker adapter knows Docker.
 */
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'shared-imports-nothing-of-ours',
      severity: 'error',
      from: { path: '^shared/' },
      to: { path: '^(api|controller|agent|test)/' },
    },
    {
      name: 'api-imports-only-shared',
      severity: 'error',
      from: { path: '^api/' },
      to: { path: '^(controller|agent|test)/' },
    },
    {
      name: 'controller-imports-only-shared',
      severity: 'error',
      from: { path: '^controller/' },
      to: { path: '^(api|agent|test)/' },
    },
    {
      name: 'agent-imports-only-shared',
      severity: 'error',
      from: { path: '^agent/' },
      to: { path: '^(api|controller|test)/' },
    },
    {
      name: 'plan-is-pure',
      comment:
        'plan decides; it imports types of the ports and shared, no effect and no library with effects',
      severity: 'error',
      from: { path: '^controller/plan/' },
      to: {
        pathNot: '^(controller/plan/|shared/model/|shared/backoff)',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'ports-are-types',
      severity: 'error',
      from: { path: '^controller/ports/' },
      to: { path: '^controller/(adapters|reconcile|runtime|plan)/' },
    },
    {
      name: 'docker-only-in-adapters',
      severity: 'error',
      from: { path: '^(api|controller|agent|shared)/', pathNot: '^controller/adapters/' },
      to: { path: 'node_modules/(dockerode|docker-modem)/' },
    },
    {
      name: 'lowdb-only-in-store',
      severity: 'error',
      from: { path: '^(api|controller|agent|shared)/', pathNot: '^shared/store/' },
      to: { path: 'node_modules/lowdb/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] },
  },
};
