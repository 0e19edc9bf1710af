import { BerthError } from '../../../shared/errors.js';

/** Room for the network's own addresses, the container, its successor and the gateway. */
const WORKSPACE_BITS = 28;
/** The first /24 of the pool is the control network's. */
const RESERVED_ADDRESSES = 256;

/**
 * Chooses a free /28 of the pool.
 *
 * @param pool - CIDR of a private range, such as `10.201.0.0/16`
 * @param used - CIDRs in use, of any size
 * @throws BerthError `BERTH_POOL_EXHAUSTED`
 */
export function freeSubnet(pool: string, used: Iterable<string>): string {
  const { first, size } = parseCidr(pool);
  const taken = [...used].map(parseCidr);
  const step = 2 ** (32 - WORKSPACE_BITS);
  for (let offset = RESERVED_ADDRESSES; offset + step <= size; offset += step) {
    const candidate = first + offset;
    const clash = taken.some(
      (other) => candidate < other.first + other.size && other.first < candidate + step,
    );
    if (!clash) return `${formatAddress(candidate)}/${WORKSPACE_BITS}`;
  }
  throw new BerthError('BERTH_POOL_EXHAUSTED', `no free network in ${pool}; set a larger BERTH_ADDRESS_POOL`);
}

function parseCidr(cidr: string): { first: number; size: number } {
  const [address = '', bits = '32'] = cidr.split('/');
  const size = 2 ** (32 - Number(bits));
  const value = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return { first: value - (value % size), size };
}

function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
