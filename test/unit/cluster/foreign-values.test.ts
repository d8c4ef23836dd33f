import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import { ClusterPorts } from '../../../gateway/cluster/cluster-ports.ts';
import { CLUSTER_PROTOCOL, memberKey, type Membership } from '../../../gateway/cluster/membership.ts';
import type { Ownership } from '../../../gateway/cluster/ownership.ts';
import { Replica } from '../../../gateway/cluster/store.ts';
import { announcement } from '../../helpers/stream-announcement.ts';
import { ModelServers, ModelStore } from './model-store.ts';
import { member as memberOf, OneGateway } from './one-gateway.ts';

const YARD = announcement('yard');

const member = (id: string, changes: object = {}): object => memberOf(id, { streams: [YARD], ...changes });

async function setUp(): Promise<{
  readonly put: (key: string, value: unknown) => void;
  readonly membership: Membership;
  readonly ownership: Ownership;
  readonly ports: ClusterPorts;
}> {
  const gateway = new OneGateway();
  const { replica, membership, ownership } = gateway;
  const ports = new ClusterPorts({
    stream: 'main',
    ranges: [{ from: 6000, to: 6000 }],
    reserved: [],
    hasFailover: () => false,
    replica,
    membership,
    log: SILENT_LOGGER,
  });
  await membership.beat();
  return { put: (key, value) => gateway.put(key, value), membership, ownership, ports };
}

describe('values in the store that were not written by a gateway', () => {
  it.each([
    null,
    5,
    [],
    {},
    member('b', { name: 5 }),
    member('b', { url: {} }),
    ...['javascript:alert(1)', 'data:text/html,x', 'http:', 'ftp://a/', `http://a/${'x'.repeat(2048)}`].map((url) =>
      member('b', { url }),
    ),
    member('b', { name: 'x'.repeat(2049) }),
    member('b', { streams: undefined }),
    member('b', { streams: [null] }),
    ...(
      [
        'name',
        'kind',
        'address',
        'ranges',
        'takesReturns',
        'verifiesJpegs',
        'state',
        'reason',
        'frame',
        'clients',
      ] as const
    ).map((key) => member('b', { streams: [{ ...YARD, [key]: undefined }] })),
    ...['', 'a.b', '*', '>', 'a b', 'a'.repeat(130)].map((name) => member('b', { streams: [{ ...YARD, name }] })),
    ...[
      [{}],
      [{ from: 0, to: 1 }],
      [{ from: 2, to: 1 }],
      [{ from: 1, to: 65_536 }],
      [{ from: 1, to: 1e15 }],
      [{ from: 1, to: 4097 }],
    ].map((ranges) => member('b', { streams: [{ ...YARD, ranges }] })),
  ])('are not members: %j', async (value) => {
    const { put, membership } = await setUp();
    put(memberKey('b'), value);
    expect(membership.others()).toEqual([]);
    put(memberKey('b'), member('b'));
    expect(membership.others()).toMatchObject([{ name: 'B', streams: [YARD] }]);
  });

  it('in the key of another member are not members, even if they claim to be', async () => {
    const { put, membership } = await setUp();
    put(memberKey('b'), member('b'));
    put(memberKey('c'), member('b', { name: 'thief', hasLeft: true }));
    put(memberKey('c'), member(membership.id, { name: 'thief', hasLeft: true }));
    expect(membership.others()).toMatchObject([{ id: 'b', name: 'B' }]);
    expect(membership.isAlive(membership.id)).toBe(true);
    // The name is only displayed.
    put(memberKey('c'), member('c'));
    expect(membership.others().map(({ id, name }) => [id, name])).toEqual([
      ['b', 'B'],
      ['c', 'B'],
    ]);
  });

  it('in the key of this gateway do not count as its heartbeats, so no other gateway is declared dead', async () => {
    const { put, membership } = await setUp();
    put(memberKey('b'), member('b'));
    for (let number = 0; number < 50; number += 1) {
      put(memberKey(membership.id), member(membership.id, { number, isRegular: true }));
      put(memberKey(membership.id), member(membership.id, { number: 2, hasLeft: true }));
    }
    expect(membership.isAlive('b')).toBe(true);
    expect(membership.isAlive(membership.id)).toBe(true);
    // The gateway's own heartbeats still count.
    for (let count = 0; count < 6; count += 1) await beat();
    expect(membership.isAlive('b')).toBe(false);

    async function beat(): Promise<void> {
      await membership.beat();
      put('else', null);
    }
  });

  it('of more members than a cluster has are ignored', async () => {
    const { put, membership } = await setUp();
    for (let count = 0; count < 1100; count += 1) put(memberKey(`m${count}`), member(`m${count}`));
    expect(membership.others()).toHaveLength(1024);
  });

  it('of more streams than a cluster has are ignored, and make room when their members are replaced', async () => {
    const { put, membership } = await setUp();
    const streams = (count: number): object[] => Array.from({ length: count }, (_, i) => ({ ...YARD, name: `s${i}` }));
    put(memberKey('b'), member('b'));
    put(memberKey('c'), member('c', { streams: streams(16_000) }));
    put(memberKey('d'), member('d', { streams: streams(1000) }));
    expect(membership.others().map(({ id }) => id)).toEqual(['b', 'c']);
    put(memberKey('c'), member('c', { streams: streams(2) }));
    put(memberKey('d'), member('d', { streams: streams(1000) }));
    expect(membership.others().map(({ id }) => id)).toEqual(['b', 'c', 'd']);
  });

  it('do not hold ports, and are overwritten', async () => {
    const { put, ports } = await setUp();
    for (const value of [
      null,
      5,
      [],
      {},
      { kind: 'native', nonce: 'x' },
      { kind: 'lease', nonce: 'x', member: 'b' },
      { kind: 'x', nonce: 'x', member: 'b' },
    ])
      put('port.main.6000', value);
    const holder = { revoke: () => undefined, lose: () => undefined };
    expect(await ports.lease(holder)).toMatchObject({ port: 6000 });
  });

  it('in a key with another spelling of a port number do not hold that port', async () => {
    const { put, ports } = await setUp();
    const lease = { kind: 'lease', nonce: 'x', member: 'b', hash: 'x', address: null, hasLasted: true };
    put(memberKey('b'), member('b'));
    for (const text of ['6e3', '0x1770', '06000', '6000.0']) put(`port.main.${text}`, lease);
    expect(ports.status().free).toBe(1);
    put('port.main.6000', lease);
    expect(ports.status().free).toBe(0);
  });

  it('have no effect in any form', async () => {
    const { put, membership, ownership, ports } = await setUp();
    fc.assert(
      fc.property(
        fc.constantFrom(
          'member.b',
          'owner.main',
          'port.main.6000',
          'port.main.x',
          'port.main.0',
          'port.main.1e9',
          'else',
        ),
        fc.jsonValue(),
        (key, value) => {
          put(key, value);
          expect(membership.others()).toEqual([]);
          expect(ownership.ownerOf('main')).toBeNull();
          expect(ports.status().free).toBe(1);
        },
      ),
    );
  });

  it('of another version are members without streams', async () => {
    const { put, membership } = await setUp();
    put(memberKey('b'), { id: 'b', name: 'B', protocol: CLUSTER_PROTOCOL + 1, streams: 'elsewhere' });
    expect(membership.others()).toEqual([]);
    expect(membership.member('b')).toMatchObject({ name: 'B', streams: [] });
  });
});

describe('Replica', () => {
  it('ignores keys that are not of gateways, and values beyond 256 Mi characters', () => {
    const replica = new Replica(new ModelStore(new ModelServers()));
    // Long, but quickly parsed.
    const text = '"x"'.padStart(1 << 20);
    let revision = 0;
    const apply = (key: string): void => replica.apply({ key, text, revision: (revision += 1) });
    for (const key of ['else', 'member.', 'member.a b', `port.${'x'.repeat(201)}`, 'x.member.a']) apply(key);
    expect([...replica.entries()]).toEqual([]);
    for (let count = 0; count < 300; count += 1) apply(`member.m${count}`);
    const known = [...replica.entries()].length;
    expect(known).toBeGreaterThan(200);
    expect(known).toBeLessThan(257);
    // Known keys are still updated, and forgotten keys free space for others.
    apply('member.m0');
    expect(replica.get('member.m0')?.revision).toBe(revision);
    replica.forget('member.m0');
    apply('member.new');
    expect(replica.get('member.new')?.revision).toBe(revision);
    replica.clear();
    for (let count = 0; count < 300; count += 1) apply(`member.m${count}`);
    expect([...replica.entries()]).toHaveLength(known);
  });
});
