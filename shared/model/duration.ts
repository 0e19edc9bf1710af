import ms, { type StringValue } from 'ms';
import * as z from 'zod';

/** A duration as people write it: a whole number and a unit, such as `90s`, `10m`, `12h` or `7d`. */
export const durationSchema = z
  .string()
  .regex(/^[1-9]\d{0,5}[smhd]$/, 'must be a number and a unit, such as "90s", "10m", "12h" or "7d"');

/** @returns milliseconds */
export const durationMs = (duration: string): number => ms(duration as StringValue);

/** A time in words, such as "10 minutes". */
export const inWords = (milliseconds: number): string => ms(milliseconds, { long: true });
