import { wheelProgram } from './wheels.js';

/** Path of the program that makes requests from a description of an API. */
export const schemathesis = (): string =>
  wheelProgram('schemathesis', 'schemathesis==4.32.5', 'schemathesis');
