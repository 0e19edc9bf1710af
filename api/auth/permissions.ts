import * as z from 'zod';
import { isWithin } from './places.js';

/** What a key may do, in rising order: look; change workspaces and open them; all there is. */
export const SCOPES = ['read', 'write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export const scopeSchema = z.enum(SCOPES, `must be one of ${SCOPES.join(', ')}`);

type Labels = Readonly<Record<string, string>>;

/** Whom a key speaks for. */
export interface KeyOwner {
  id: string;
  scope: Scope;
  /** Only workspaces that have all of these labels are there for it; none: all are. */
  labels: Labels;
  /** Where it may start workspaces; absent: nowhere if it is confined by labels, else everywhere. */
  buckets?: readonly string[];
}

export function allows({ scope }: Pick<KeyOwner, 'scope'>, needed: Scope): boolean {
  return SCOPES.indexOf(scope) >= SCOPES.indexOf(needed);
}

/** Whether a workspace with these labels is there for the key. */
export function sees({ labels }: Pick<KeyOwner, 'labels'>, present: Labels): boolean {
  return Object.entries(labels).every(([name, value]) => present[name] === value);
}

/** A key that is confined to some workspaces has no business with what concerns all. */
export const isConfined = ({ labels }: Pick<KeyOwner, 'labels'>): boolean => Object.keys(labels).length > 0;

/**
 * The labels of a workspace that the key starts: those asked for, and those that let the key see it.
 *
 * @returns null when they contradict each other
 */
export function labelsFor({ labels }: Pick<KeyOwner, 'labels'>, wanted: Labels): Labels | null {
  const merged = { ...labels, ...wanted };
  return sees({ labels }, merged) ? merged : null;
}

/** Whether a key may start a workspace there: its files are read and written by that. */
export function mayUse(key: Pick<KeyOwner, 'labels' | 'buckets'>, bucket: string, prefix: string): boolean {
  const places = key.buckets ?? (isConfined(key) ? [] : ['*']);
  return places.some((place) => isWithin(place, bucket, prefix));
}
