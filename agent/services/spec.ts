import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { BerthError, messageOf } from '../../shared/errors.js';

/** How to tell that a service is ready: an HTTP answer below 500, or a Unix socket that takes connections. */
const probeSchema = z.union([
  z.strictObject({ http: z.url() }),
  z.strictObject({ socket: z.string().startsWith('/') }),
]);

const serviceSchema = z.strictObject({
  /** Shown in the log. */
  name: z.string().regex(/^[a-z][a-z0-9-]*$/),
  command: z.array(z.string()).min(1),
  cwd: z.string().startsWith('/').default('/home/dev'),
  env: z.record(z.string(), z.string()).default({}),
  /** Without one a service is ready as soon as it runs. */
  ready: probeSchema.optional(),
  /** Services that must be ready first. */
  after: z.array(z.string()).default([]),
});

const servicesSchema = z
  .strictObject({
    services: z.array(serviceSchema).min(1),
    /** Which service stands for a part of the report; `web` is the agent's own. */
    roles: z.strictObject({ code: z.string(), vnc: z.string() }),
    /** The VNC server's socket, to which the desktop's page is connected. */
    rfbSocket: z.string().startsWith('/'),
    /** Folders that services expect, made at start. */
    folders: z
      .array(
        z.strictObject({
          path: z.string().startsWith('/'),
          mode: z.string().regex(/^[0-7]{3,4}$/),
          owner: z.enum(['user', 'root']).default('user'),
        }),
      )
      .default([]),
  })
  .superRefine((file, context) => {
    const names = new Set(file.services.map((service) => service.name));
    const mentioned = [...Object.values(file.roles), ...file.services.flatMap((service) => service.after)];
    for (const name of mentioned) {
      if (!names.has(name))
        context.addIssue({ code: 'custom', message: `there is no service called ${name}` });
    }
  });

export type Probe = z.infer<typeof probeSchema>;
export type ServiceSpec = z.infer<typeof serviceSchema>;
export type ServicesFile = z.infer<typeof servicesSchema>;

/**
 * Reads the list of services that an image brings.
 *
 * @throws BerthError `BERTH_SERVICES_INVALID`
 */
export async function readServices(file: string): Promise<ServicesFile> {
  let data: unknown;
  try {
    data = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new BerthError('BERTH_SERVICES_INVALID', `${file}: ${messageOf(error)}`);
  }
  const result = servicesSchema.safeParse(data);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new BerthError('BERTH_SERVICES_INVALID', `${file}: ${problems.join('; ')}`);
}
