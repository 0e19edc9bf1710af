import * as z from 'zod';
import { createDocument, type ZodOpenApiObject, type ZodOpenApiOperationObject } from 'zod-openapi';
import { idSchema } from '../../shared/model/desired.js';
import {
  accessLinksSchema,
  eventListSchema,
  healthViewSchema,
  systemViewSchema,
  workspaceListSchema,
  workspaceViewSchema,
} from '../../shared/model/view.js';
import { PROBLEMS, type ProblemCode } from '../problem.js';
import {
  deleteQuerySchema,
  extendSchema,
  listQuerySchema,
  nothingSchema,
  startSchemaOf,
  type StartSettings,
  waitQuerySchema,
} from '../routes/requests.js';
import type { ApiSettings } from '../settings.js';

export interface DocumentOptions {
  settings: StartSettings & Pick<ApiSettings, 'BERTH_DOMAIN' | 'BERTH_HTTPS_PORT'>;
  version: string;
}

/** What any call below `/api` may be answered with. */
const EVERYWHERE: ProblemCode[] = [
  'BERTH_UNAUTHENTICATED',
  'BERTH_FORBIDDEN',
  'BERTH_TOO_MANY_REQUESTS',
  'BERTH_INTERNAL',
  'BERTH_STORE_FAILED',
  'BERTH_BUSY',
  // Each call knows its parameters.
  'BERTH_QUERY_INVALID',
];
const OF_BODIES: ProblemCode[] = [
  'BERTH_BODY_INVALID',
  'BERTH_BODY_TOO_LARGE',
  'BERTH_MEDIA_TYPE_UNSUPPORTED',
];
const OF_CHANGES: ProblemCode[] = ['BERTH_WORKSPACE_UNKNOWN', 'BERTH_SPEC_INVALID', 'BERTH_RECORD_CONFLICT'];
const OF_WAITING: ProblemCode[] = ['BERTH_REQUEST_INVALID', 'BERTH_START_FAILED'];

const problemSchema = z
  .object({
    type: z.literal('about:blank'),
    title: z.string(),
    status: z.number().int(),
    code: z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]),
    detail: z.string(),
    requestId: z.string(),
    errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
    workspace: workspaceViewSchema.optional(),
  })
  .loose()
  .meta({ id: 'Problem', description: 'An error (RFC 9457).' });

const path = z.object({
  id: idSchema.meta({ description: "The workspace's id, or the name it was given." }),
});

const json = (description: string, schema: z.ZodType) => ({
  description,
  content: { 'application/json': { schema } },
});
const body = (schema: z.ZodType, required = false) => ({
  required,
  content: { 'application/json': { schema } },
});

/** The answers for a set of errors: one for each status, which names its codes. */
function problems(...codes: ProblemCode[]): ZodOpenApiOperationObject['responses'] {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of new Set([...codes, ...EVERYWHERE])) {
    const status = PROBLEMS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, named]) => [
      `${status as 400}` as const,
      {
        description: named.join(', '),
        content: { 'application/problem+json': { schema: problemSchema } },
      },
    ]),
  );
}

/** The description of the API (OpenAPI 3.1), made of the schemas by which it checks and answers. */
export function openApiDocument({ settings, version }: DocumentOptions): ReturnType<typeof createDocument> {
  const workspace = json('The workspace.', workspaceViewSchema);
  const declared = json('Declared; the workspace as it is now.', workspaceViewSchema);
  const port = settings.BERTH_HTTPS_PORT === 443 ? '' : `:${settings.BERTH_HTTPS_PORT}`;
  const paths: ZodOpenApiObject['paths'] = {
    '/api/containers/start': {
      post: {
        operationId: 'startWorkspace',
        summary: 'Start a workspace',
        requestParams: { query: waitQuerySchema },
        requestBody: body(startSchemaOf(settings), true),
        responses: {
          201: { ...json('It runs.', workspaceViewSchema), headers: z.object({ Location: z.string() }) },
          202: { ...declared, headers: z.object({ Location: z.string() }) },
          ...problems(
            ...OF_BODIES,
            ...OF_WAITING,
            'BERTH_NAME_TAKEN',
            'BERTH_CAPACITY',
            'BERTH_RECORD_CONFLICT',
          ),
        },
      },
    },
    '/api/containers': {
      get: {
        operationId: 'listWorkspaces',
        summary: 'List workspaces',
        requestParams: { query: listQuerySchema },
        responses: {
          200: json('A page of workspaces, in the order of their ids.', workspaceListSchema),
          ...problems(),
        },
      },
    },
    '/api/containers/{id}': {
      get: {
        operationId: 'showWorkspace',
        summary: 'Show a workspace',
        requestParams: { path },
        responses: { 200: workspace, ...problems('BERTH_WORKSPACE_UNKNOWN') },
      },
      delete: {
        operationId: 'endWorkspace',
        summary: 'End a workspace, once its files are saved',
        requestParams: { path, query: deleteQuerySchema },
        responses: {
          200: json('It is stopped.', workspaceViewSchema),
          202: declared,
          ...problems(...OF_CHANGES, ...OF_WAITING),
        },
      },
    },
    '/api/containers/{id}/start': {
      post: {
        operationId: 'startWorkspaceAgain',
        summary: 'Start a workspace again',
        requestParams: { path, query: waitQuerySchema },
        requestBody: body(nothingSchema),
        responses: {
          200: json('It runs.', workspaceViewSchema),
          202: declared,
          ...problems(...OF_BODIES, ...OF_CHANGES, ...OF_WAITING, 'BERTH_CAPACITY'),
        },
      },
    },
    '/api/containers/{id}/access': {
      post: {
        operationId: 'openWorkspace',
        summary: 'Links that open a workspace',
        requestParams: { path },
        requestBody: body(nothingSchema),
        responses: {
          200: json('The links, each good for one host.', accessLinksSchema),
          ...problems(...OF_BODIES, 'BERTH_WORKSPACE_UNKNOWN', 'BERTH_NOT_RUNNING'),
        },
      },
      delete: {
        operationId: 'revokeAccess',
        summary: 'End all links and sessions',
        requestParams: { path },
        responses: { 200: workspace, ...problems(...OF_CHANGES) },
      },
    },
    '/api/containers/{id}/extend': {
      post: {
        operationId: 'extendWorkspace',
        summary: 'Put off the stop for inactivity',
        requestParams: { path },
        requestBody: body(extendSchema),
        responses: { 200: workspace, ...problems(...OF_BODIES, ...OF_CHANGES, 'BERTH_NOT_RUNNING') },
      },
    },
    '/api/containers/{id}/events': {
      get: {
        operationId: 'listEvents',
        summary: 'What happened to a workspace',
        requestParams: { path },
        responses: { 200: json('The newest last.', eventListSchema), ...problems('BERTH_WORKSPACE_UNKNOWN') },
      },
    },
    '/api/containers/{id}/health': {
      get: {
        operationId: 'showHealth',
        summary: 'What the last health check found',
        requestParams: { path },
        responses: { 200: json('The finding.', healthViewSchema), ...problems('BERTH_WORKSPACE_UNKNOWN') },
      },
    },
    '/api/containers/{id}/files.tar': {
      get: {
        operationId: 'downloadFiles',
        summary: "A workspace's files, as the bucket has them",
        requestParams: { path },
        responses: {
          200: { description: 'The files.', content: { 'application/x-tar': { schema: z.string() } } },
          ...problems('BERTH_WORKSPACE_UNKNOWN', 'BERTH_S3_REFUSED', 'BERTH_S3_UNAVAILABLE'),
        },
      },
    },
    '/api/system/status': {
      get: {
        operationId: 'showSystem',
        summary: 'Host, Docker, counts',
        responses: { 200: json('The last measurement.', systemViewSchema), ...problems('BERTH_NOT_READY') },
      },
    },
  };
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Berth',
      version,
      description: 'Starts, shows and ends workspaces.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: `https://api.${settings.BERTH_DOMAIN}${port}` }],
    security: [{ key: [] }],
    components: {
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', bearerFormat: '<id>_<secret>', description: 'An API key.' },
      },
    },
    paths,
  });
}
