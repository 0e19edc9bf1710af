import { BerthError } from '../../../shared/errors.js';
import type { NetworkState } from '../../ports/cluster.js';

/**
 * A workspace's network: Swarm gives its tasks addresses of the lower half, the gateway has the last
 * one. A container that is attached by hand gets its address from the node, which does not know what
 * Swarm's managers will give out next: left to itself it takes the next task's ("Address already in use").
 */
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

/** The part of a workspace's network that Swarm gives out to its tasks: the lower half. */
export function taskRange(subnet: string): string {
  const { first, size } = parseCidr(subnet);
  return `${formatAddress(first)}/${32 - Math.log2(size / 2)}`;
}

/** The gateway's address in a workspace's network: the last one, which no task ever gets. */
export function gatewayAddress({ name, subnet }: Pick<NetworkState, 'name' | 'subnet'>): string {
  if (subnet === null)
    throw new BerthError('BERTH_NETWORK_WITHOUT_SUBNET', `network ${name} has no subnet; remove it`);
  const { first, size } = parseCidr(subnet);
  return formatAddress(first + size - 2);
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
