import { describe, expect, it } from 'vitest';
import { ClientTotals } from '../../../gateway/hub/client-totals.ts';
import type { ClientStatus } from '../../../shared/status.ts';
import { idleClientStatus } from '../../helpers/client-status.ts';

const client = (fields: Partial<ClientStatus>): ClientStatus => ({ ...idleClientStatus('', 6000), ...fields });

describe('ClientTotals', () => {
  it('adds up clients that have left and present ones, by kind and port', () => {
    const totals = new ClientTotals();
    totals.add(client({ delivered: 3, deliveredBytes: 300, dropped: 1 }));
    totals.add(client({ port: null, kind: 'spectator', delivered: 2 }));
    const present = [
      client({ delivered: 4, deliveredBytes: 400 }),
      client({ port: 5567, kind: 'native', withheld: 5, repeated: 6 }),
      client({ port: null, kind: 'spectator', rejected: 1 }),
    ];
    const read = totals.including(present);
    expect(read).toEqual([
      {
        kind: 'web',
        port: '6000',
        clients: 2,
        delivered: 7,
        deliveredBytes: 700,
        dropped: 1,
        withheld: 0,
        repeated: 0,
        rejected: 0,
      },
      {
        kind: 'spectator',
        port: 'none',
        clients: 2,
        delivered: 2,
        deliveredBytes: 0,
        dropped: 0,
        withheld: 0,
        repeated: 0,
        rejected: 1,
      },
      {
        kind: 'native',
        port: '5567',
        clients: 1,
        delivered: 0,
        deliveredBytes: 0,
        dropped: 0,
        withheld: 5,
        repeated: 6,
        rejected: 0,
      },
    ]);
    // Reading changes nothing.
    expect(totals.including(present)).toEqual(read);
  });

  it('counts ports beyond 256 together, and each port always in the same group', () => {
    const totals = new ClientTotals();
    const first = client({ port: 6000, delivered: 1 });
    totals.including([first]);
    for (let port = 6001; port < 6300; port += 1) totals.add(client({ port, delivered: 1 }));
    totals.add(first);
    const read = totals.including([]);
    expect(read).toHaveLength(257);
    expect(read.find(({ port }) => port === '6000')).toMatchObject({ clients: 1, delivered: 1 });
    expect(read.find(({ port }) => port === 'other')).toMatchObject({ kind: 'web', clients: 44, delivered: 44 });
  });
});
