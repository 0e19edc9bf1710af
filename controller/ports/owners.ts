/** A process that holds a lock. */
export interface Owner {
  /** The name of its host; in a container that is the container's id. */
  host: string;
  pid: number;
  /** It runs in a container. */
  container: boolean;
}

export interface Owners {
  /** Whether it still runs, as far as that can be found out from here. */
  isAlive(owner: Owner): Promise<boolean | 'unknown'>;
}
