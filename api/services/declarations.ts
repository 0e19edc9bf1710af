import { wantedToRun, type Desired } from '../../shared/model/desired.js';

/** @returns the same declaration when it says so already; what was asked for once stays asked for */
export function withDeletion(desired: Desired, now: Date, discardUnsaved: boolean): Desired {
  const { metadata } = desired;
  const discard = discardUnsaved || metadata.discardUnsaved === true;
  if (metadata.deletionRequestedAt !== undefined && discard === (metadata.discardUnsaved === true))
    return desired;
  const deletionRequestedAt = metadata.deletionRequestedAt ?? now.toISOString();
  return {
    ...desired,
    metadata: { ...metadata, deletionRequestedAt, ...(discard ? { discardUnsaved: true } : {}) },
  };
}

/** A wish of its own, so that also what had ended by itself is tried again. */
export function withStart(desired: Desired, now: Date): Desired {
  const { deletionRequestedAt: _deletion, discardUnsaved: _discard, ...metadata } = desired.metadata;
  return { ...wantedToRun(desired), metadata: { ...metadata, startRequestedAt: now.toISOString() } };
}
