import type { StreamAnnouncement } from '../../gateway/cluster/stream-announcement.ts';

/** The announcement by a member of a cluster of a stream without frames and clients, with the ports 6000 to 6003. */
export function announcement(name: string): StreamAnnouncement {
  return {
    name,
    kind: 'push',
    address: '',
    ranges: [{ from: 6000, to: 6003 }],
    takesReturns: true,
    verifiesJpegs: true,
    state: 'waiting',
    reason: 'no frame yet',
    frame: null,
    control: null,
    clients: 0,
  };
}
