import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Resources of a process, as counted by Linux. */
export interface ProcessFigures {
  readonly descriptors: number;
  readonly sockets: number;
  /** Number of sockets closed by the peer, but not yet by the process. */
  readonly closeWait: number;
  /** The connections of these sockets: `21187→40712`, the port of the process first. */
  readonly closeWaitPorts: readonly string[];
  /** Resident memory, MiB. */
  readonly residentMiB: number;
  readonly threads: number;
}

const CLOSE_WAIT = '08';

/** Reads the figures of a process of this user. @throws if it has ended. */
export function readFigures(pid: number): ProcessFigures {
  const folder = `/proc/${pid}/fd`;
  const inodes = new Set<string>();
  let descriptors = 0;
  for (const name of readdirSync(folder)) {
    descriptors += 1;
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${name}`))?.[1];
      if (inode !== undefined) inodes.add(inode);
    } catch {
      // The descriptor has been closed in the meantime.
      descriptors -= 1;
    }
  }
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  const closeWaitPorts = portsInState(pid, inodes, CLOSE_WAIT);
  return {
    descriptors,
    sockets: inodes.size,
    closeWait: closeWaitPorts.length,
    closeWaitPorts,
    residentMiB: field('VmRSS') / 1024,
    threads: field('Threads'),
  };
}

function portsInState(pid: number, inodes: ReadonlySet<string>, state: string): readonly string[] {
  const ports: string[] = [];
  const portOf = (address = ''): number => parseInt(address.split(':')[1] ?? '', 16);
  for (const table of ['tcp', 'tcp6']) {
    for (const line of readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n').slice(1)) {
      const columns = line.trim().split(/\s+/);
      if (columns[3] === state && inodes.has(columns[9] ?? ''))
        ports.push(`${portOf(columns[1])}→${portOf(columns[2])}`);
    }
  }
  return ports;
}
