import { describe, expect, it, vi } from 'vitest';
import { LEASE_HOLD_MS, PortRegistry, type LeaseHolder } from '../../../gateway/hub/port-registry.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

function viewer(): LeaseHolder & { readonly revoke: ReturnType<typeof vi.fn<() => void>> } {
  return { revoke: vi.fn<() => void>(), lose: () => undefined };
}

/** Three virtual ports, and a clock of the test. */
function setUp(): { registry: PortRegistry; clock: { nowMs: number } } {
  const clock = { nowMs: 1000 };
  return { registry: new PortRegistry([{ from: 6000, to: 6002 }], { nowMs: () => clock.nowMs }), clock };
}

describe('PortRegistry', () => {
  it('assigns the lowest free port if none is requested', () => {
    const { registry } = setUp();
    expect([1, 2, 3].map(() => registry.lease(viewer()).port)).toEqual([6000, 6001, 6002]);
  });

  it('refuses when all ports are taken', () => {
    const { registry } = setUp();
    for (let i = 0; i < 3; i += 1) registry.lease(viewer());
    expect(() => registry.lease(viewer())).toThrow(coded('no-free-port'));
    expect(registry.status()).toMatchObject({ free: 0, taken: 3 });
  });

  it('assigns the requested port, at both ends of the range but not beyond', () => {
    const { registry } = setUp();
    expect(registry.lease(viewer(), { wanted: 6000 }).port).toBe(6000);
    expect(registry.lease(viewer(), { wanted: 6002 }).port).toBe(6002);
    expect(() => registry.lease(viewer(), { wanted: 5999 })).toThrow(coded('port-out-of-range'));
    expect(() => registry.lease(viewer(), { wanted: 6003 })).toThrow(coded('port-out-of-range'));
  });

  it('refuses a taken port without its key, and evicts no viewer', () => {
    const { registry } = setUp();
    const first = viewer();
    registry.lease(first, { wanted: 6001 });
    expect(() => registry.lease(viewer(), { wanted: 6001 })).toThrow(coded('port-taken'));
    expect(() => registry.lease(viewer(), { wanted: 6001, key: '0'.repeat(32) })).toThrow(coded('port-taken'));
    expect(first.revoke).not.toHaveBeenCalled();
  });

  it('returns a new key of 32 hexadecimal digits each time', () => {
    const { registry } = setUp();
    const first = registry.lease(viewer());
    const second = registry.lease(viewer(), { key: first.leaseKey });
    expect(first.leaseKey).toMatch(/^[0-9a-f]{32}$/);
    expect(second.port).toBe(first.port);
    expect(second.leaseKey).toMatch(/^[0-9a-f]{32}$/);
    expect(second.leaseKey).not.toBe(first.leaseKey);
  });

  it('takes over a port with its key, and evicts its viewer once', () => {
    const { registry } = setUp();
    const [first, second, third] = [viewer(), viewer(), viewer()];
    const { leaseKey } = registry.lease(first, { wanted: 6001 });
    const next = registry.lease(second, { wanted: 6001, key: leaseKey });
    expect(first.revoke).toHaveBeenCalledTimes(1);
    registry.lease(third, { key: next.leaseKey });
    expect(first.revoke).toHaveBeenCalledTimes(1);
    expect(second.revoke).toHaveBeenCalledTimes(1);
    expect(third.revoke).not.toHaveBeenCalled();
  });

  it('does not accept a key that was used before', () => {
    const { registry } = setUp();
    const first = registry.lease(viewer(), { wanted: 6001 });
    const second = viewer();
    registry.lease(second, { wanted: 6001, key: first.leaseKey });
    expect(() => registry.lease(viewer(), { wanted: 6001, key: first.leaseKey })).toThrow(coded('port-taken'));
    // An old key without a port is ignored.
    expect(registry.lease(viewer(), { key: first.leaseKey }).port).toBe(6000);
    expect(second.revoke).not.toHaveBeenCalled();
  });

  it('does not assign a port for the key of another port', () => {
    const { registry } = setUp();
    const { leaseKey } = registry.lease(viewer(), { wanted: 6000 });
    registry.lease(viewer(), { wanted: 6001 });
    expect(() => registry.lease(viewer(), { wanted: 6001, key: leaseKey })).toThrow(coded('port-taken'));
    expect(registry.lease(viewer(), { wanted: 6002, key: leaseKey }).port).toBe(6002);
  });

  it('reserves a port for 30 s for the holder of its key only', () => {
    expect(LEASE_HOLD_MS).toBe(30_000);
    const { registry, clock } = setUp();
    const owner = viewer();
    const { leaseKey } = registry.lease(owner, { wanted: 6000 });
    registry.leave(6000, owner);
    clock.nowMs += 29_999;
    expect(registry.status()).toMatchObject({ free: 2, taken: 1 });
    expect(() => registry.lease(viewer(), { wanted: 6000 })).toThrow(coded('port-taken'));
    expect(registry.lease(viewer(), { key: leaseKey }).port).toBe(6000);
    expect(owner.revoke).not.toHaveBeenCalled();
  });

  it('frees a port and its key after 30 s', () => {
    const { registry, clock } = setUp();
    const owner = viewer();
    const { leaseKey } = registry.lease(owner, { wanted: 6002 });
    registry.leave(6002, owner);
    clock.nowMs += 30_000;
    expect(registry.status()).toMatchObject({ free: 3, taken: 0 });
    expect(registry.lease(viewer(), { key: leaseKey }).port).toBe(6000);
    expect(registry.lease(viewer(), { wanted: 6002 }).port).toBe(6002);
  });

  it('neither reserves nor frees a port whose viewer was evicted', () => {
    const { registry, clock } = setUp();
    const [first, second] = [viewer(), viewer()];
    const { leaseKey } = registry.lease(first, { wanted: 6000 });
    registry.lease(second, { wanted: 6000, key: leaseKey });
    registry.leave(6000, first);
    clock.nowMs += 60_000;
    expect(() => registry.lease(viewer(), { wanted: 6000 })).toThrow(coded('port-taken'));
  });

  it('does not assign the port of a native client', () => {
    const { registry } = setUp();
    registry.reserve(6000);
    registry.reserve(5567);
    expect(registry.status()).toMatchObject({ free: 2, taken: 1 });
    expect(registry.lease(viewer()).port).toBe(6001);
    expect(() => registry.lease(viewer(), { wanted: 6000 })).toThrow(coded('port-taken'));
    expect(() => registry.lease(viewer(), { wanted: 5567 })).toThrow(coded('port-taken'));
    registry.free(6000);
    expect(registry.lease(viewer(), { wanted: 6000 }).port).toBe(6000);
  });

  it('does not reserve a port twice', () => {
    const { registry } = setUp();
    registry.reserve(5567);
    expect(() => registry.reserve(5567)).toThrow(coded('port-taken'));
    registry.free(5567);
    expect(() => registry.reserve(5567)).not.toThrow();
  });

  it('assigns no other port to the owner of a port', () => {
    const registry = new PortRegistry([{ from: 6000, to: 6002 }], { reserved: [6001, 6002] });
    for (const wanted of [6000, 6002, 5999, 7000])
      expect(() => registry.lease(viewer(), { wanted, owned: 6001 }), String(wanted)).toThrow(coded('port-reserved'));
    const { leaseKey } = registry.lease(viewer(), { wanted: 6000 });
    expect(() => registry.lease(viewer(), { wanted: 6000, key: leaseKey, owned: 6001 })).toThrow(
      coded('port-reserved'),
    );
    expect(registry.lease(viewer(), { owned: 6001, key: leaseKey }).port).toBe(6001);
    expect(registry.lease(viewer(), { wanted: 6001, owned: 6001 }).port).toBe(6001);
  });

  it('refuses a reserved port to a token that does not reserve it', () => {
    const registry = new PortRegistry([{ from: 6000, to: 6002 }], { reserved: [6001] });
    expect(() => registry.lease(viewer(), { owned: 6001, isReservation: false })).toThrow(coded('port-reserved'));
    expect(registry.lease(viewer(), { owned: 6000, isReservation: false }).port).toBe(6000);
  });

  it("assigns no port to the owner of another stream's port", () => {
    const registry = new PortRegistry([{ from: 6000, to: 6002 }], { reserved: [6001] });
    for (const wanted of [undefined, 7001])
      expect(() => registry.lease(viewer(), { wanted, owned: 7001 })).toThrow(coded('no-free-port'));
  });

  it('assigns the owner of a port that is not reserved here only this port, if it is free', () => {
    const registry = new PortRegistry([{ from: 6000, to: 6002 }], { reserved: [6001] });
    expect(registry.lease(viewer(), { owned: 6002 }).port).toBe(6002);
    expect(() => registry.lease(viewer(), { owned: 6002 })).toThrow(coded('port-taken'));
    expect(() => registry.lease(viewer(), { owned: 6002, wanted: 6000 })).toThrow(coded('port-reserved'));
  });

  it('does not reserve a port that is leased, or reserved for its last viewer or the holder of a token', () => {
    const clock = { nowMs: 0 };
    const registry = new PortRegistry([{ from: 6000, to: 6002 }], { reserved: [6002], nowMs: () => clock.nowMs });
    const viewer = { revoke: () => undefined, lose: () => undefined };
    registry.lease(viewer);
    expect(() => registry.reserve(6000)).toThrow(coded('port-taken'));
    expect(() => registry.reserve(6002)).toThrow(coded('port-taken'));
    registry.leave(6000, viewer);
    expect(() => registry.reserve(6000)).toThrow(coded('port-taken'));
    clock.nowMs += 30_000;
    expect(() => registry.reserve(6000)).not.toThrow();
  });
});

describe('PortRegistry: shares', () => {
  /** Twenty virtual ports; one address may have ten of them. */
  function setUpTwenty(): { registry: PortRegistry; clock: { nowMs: number } } {
    const clock = { nowMs: 1000 };
    return { registry: new PortRegistry([{ from: 6000, to: 6019 }], { nowMs: () => clock.nowMs }), clock };
  }

  it('assigns half of the ports to one address, and the rest to others', () => {
    const { registry } = setUpTwenty();
    for (let index = 0; index < 10; index += 1) registry.lease(viewer(), { address: 'a' });
    expect(() => registry.lease(viewer(), { address: 'a' })).toThrow(coded('address-limit'));
    expect(() => registry.lease(viewer(), { address: 'a', wanted: 6019 })).toThrow(coded('address-limit'));
    for (let index = 0; index < 10; index += 1) registry.lease(viewer(), { address: 'b' });
    expect(() => registry.lease(viewer(), { address: 'c' })).toThrow(coded('no-free-port'));
  });

  it('assigns eight ports of a small range to one address', () => {
    const registry = new PortRegistry([{ from: 6000, to: 6008 }]);
    for (let index = 0; index < 8; index += 1) registry.lease(viewer(), { address: 'a' });
    expect(() => registry.lease(viewer(), { address: 'a' })).toThrow(coded('address-limit'));
    expect(registry.lease(viewer(), { address: 'b' }).port).toBe(6008);
  });

  it('allows an address that has used its share to take over its own ports, and to replace its reserved ones', () => {
    const { registry, clock } = setUpTwenty();
    const leases = Array.from({ length: 10 }, () => {
      const owner = viewer();
      return { owner, ...registry.lease(owner, { address: 'a' }) };
    });
    clock.nowMs += 60_000;
    expect(registry.lease(viewer(), { address: 'a', key: leases[3]!.leaseKey }).port).toBe(6003);
    for (const index of [5, 4]) {
      registry.leave(6000 + index, leases[index]!.owner);
      clock.nowMs += 1;
    }
    expect(registry.lease(viewer(), { address: 'a' }).port).toBe(6005);
    expect(registry.lease(viewer(), { address: 'a' }).port).toBe(6004);
    expect(() => registry.lease(viewer(), { address: 'a' })).toThrow(coded('address-limit'));
    expect(leases.filter(({ owner }) => owner.revoke.mock.calls.length > 0).map(({ port }) => port)).toEqual([6003]);
  });

  it('assigns only the reserved port of a short lease if no port is free', () => {
    const { registry, clock } = setUp();
    const [lasting, short] = [viewer(), viewer()];
    registry.lease(lasting, { wanted: 6000 });
    clock.nowMs += 5000;
    registry.lease(short, { wanted: 6001 });
    clock.nowMs += 4999;
    registry.lease(viewer(), { wanted: 6002 });
    registry.leave(6000, lasting);
    registry.leave(6001, short);
    expect(() => registry.lease(viewer(), { wanted: 6001 })).toThrow(coded('port-taken'));
    expect(registry.lease(viewer()).port).toBe(6001);
    expect(() => registry.lease(viewer())).toThrow(coded('no-free-port'));
  });

  it('counts the duration of a lease across take-overs', () => {
    const { registry, clock } = setUp();
    let owner = viewer();
    let { leaseKey } = registry.lease(owner, { wanted: 6000 });
    for (let index = 0; index < 5; index += 1) {
      clock.nowMs += 1000;
      owner = viewer();
      ({ leaseKey } = registry.lease(owner, { key: leaseKey }));
    }
    registry.leave(6000, owner);
    for (const wanted of [6001, 6002]) registry.lease(viewer(), { wanted });
    expect(() => registry.lease(viewer())).toThrow(coded('no-free-port'));
    expect(registry.lease(viewer(), { key: leaseKey }).port).toBe(6000);
  });

  it('has a port for another address while one reconnects 2000 times', () => {
    const { registry, clock } = setUpTwenty();
    for (let index = 0; index < 2000; index += 1) {
      const passing = viewer();
      registry.leave(registry.lease(passing, { address: 'a' }).port, passing);
      clock.nowMs += 10;
      if (index % 120 === 0) registry.lease(viewer(), { address: `innocent ${index}` });
      expect(registry.status().held.length).toBeLessThanOrEqual(10);
    }
    clock.nowMs += 30_000;
    expect(registry.status()).toMatchObject({ free: 3, taken: 17, held: [] });
  });
});
