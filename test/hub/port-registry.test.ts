import { describe, expect, it, vi } from 'vitest';
import { LEASE_HOLD_MS, PortRegistry, type Seated } from '../../gateway/hub/port-registry.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

function viewer(): Seated & { readonly evict: ReturnType<typeof vi.fn<() => void>> } {
  return { evict: vi.fn<() => void>() };
}

/** Three virtual ports and a clock of the test's own. */
function setUp(): { registry: PortRegistry; clock: { nowMs: number } } {
  const clock = { nowMs: 1000 };
  return { registry: new PortRegistry({ from: 6000, to: 6002 }, () => clock.nowMs), clock };
}

describe('PortRegistry', () => {
  it('gives the lowest free port to who asks for none', () => {
    const { registry } = setUp();
    expect([1, 2, 3].map(() => registry.seat(viewer(), undefined, undefined).port)).toEqual([6000, 6001, 6002]);
  });

  it('refuses when all ports are taken', () => {
    const { registry } = setUp();
    for (let i = 0; i < 3; i += 1) registry.seat(viewer(), undefined, undefined);
    expect(() => registry.seat(viewer(), undefined, undefined)).toThrow(coded('port-taken'));
    expect(registry.count()).toEqual({ free: 0, taken: 3 });
  });

  it('gives the port that is asked for, at both ends of the range and no further', () => {
    const { registry } = setUp();
    expect(registry.seat(viewer(), 6000, undefined).port).toBe(6000);
    expect(registry.seat(viewer(), 6002, undefined).port).toBe(6002);
    expect(() => registry.seat(viewer(), 5999, undefined)).toThrow(coded('port-out-of-range'));
    expect(() => registry.seat(viewer(), 6003, undefined)).toThrow(coded('port-out-of-range'));
  });

  it('refuses a taken port without its key, and evicts nobody', () => {
    const { registry } = setUp();
    const first = viewer();
    registry.seat(first, 6001, undefined);
    expect(() => registry.seat(viewer(), 6001, undefined)).toThrow(coded('port-taken'));
    expect(() => registry.seat(viewer(), 6001, '0'.repeat(32))).toThrow(coded('port-taken'));
    expect(first.evict).not.toHaveBeenCalled();
  });

  it('gives a new key of 32 hexadecimal digits each time', () => {
    const { registry } = setUp();
    const first = registry.seat(viewer(), undefined, undefined);
    const second = registry.seat(viewer(), undefined, first.leaseKey);
    expect(first.leaseKey).toMatch(/^[0-9a-f]{32}$/);
    expect(second.port).toBe(first.port);
    expect(second.leaseKey).toMatch(/^[0-9a-f]{32}$/);
    expect(second.leaseKey).not.toBe(first.leaseKey);
  });

  it('takes a port over with its key and evicts its viewer once', () => {
    const { registry } = setUp();
    const [first, second, third] = [viewer(), viewer(), viewer()];
    const { leaseKey } = registry.seat(first, 6001, undefined);
    const next = registry.seat(second, 6001, leaseKey);
    expect(first.evict).toHaveBeenCalledTimes(1);
    registry.seat(third, undefined, next.leaseKey);
    expect(first.evict).toHaveBeenCalledTimes(1);
    expect(second.evict).toHaveBeenCalledTimes(1);
    expect(third.evict).not.toHaveBeenCalled();
  });

  it('finds nothing for a key that was used before', () => {
    const { registry } = setUp();
    const first = registry.seat(viewer(), 6001, undefined);
    const second = viewer();
    registry.seat(second, 6001, first.leaseKey);
    expect(() => registry.seat(viewer(), 6001, first.leaseKey)).toThrow(coded('port-taken'));
    // Without a port, the old key counts as none.
    expect(registry.seat(viewer(), undefined, first.leaseKey).port).toBe(6000);
    expect(second.evict).not.toHaveBeenCalled();
  });

  it('does not give a port for the key of another', () => {
    const { registry } = setUp();
    const { leaseKey } = registry.seat(viewer(), 6000, undefined);
    registry.seat(viewer(), 6001, undefined);
    expect(() => registry.seat(viewer(), 6001, leaseKey)).toThrow(coded('port-taken'));
    expect(registry.seat(viewer(), 6002, leaseKey).port).toBe(6002);
  });

  it('holds a port for 30 s for who has its key, and for nobody else', () => {
    expect(LEASE_HOLD_MS).toBe(30_000);
    const { registry, clock } = setUp();
    const owner = viewer();
    const { leaseKey } = registry.seat(owner, 6000, undefined);
    registry.leave(6000, owner);
    clock.nowMs += 29_999;
    expect(registry.count()).toEqual({ free: 2, taken: 1 });
    expect(() => registry.seat(viewer(), 6000, undefined)).toThrow(coded('port-taken'));
    expect(registry.seat(viewer(), undefined, leaseKey).port).toBe(6000);
    expect(owner.evict).not.toHaveBeenCalled();
  });

  it('frees a port after 30 s, and its key with it', () => {
    const { registry, clock } = setUp();
    const owner = viewer();
    const { leaseKey } = registry.seat(owner, 6002, undefined);
    registry.leave(6002, owner);
    clock.nowMs += 30_000;
    expect(registry.count()).toEqual({ free: 3, taken: 0 });
    expect(registry.seat(viewer(), undefined, leaseKey).port).toBe(6000);
    expect(registry.seat(viewer(), 6002, undefined).port).toBe(6002);
  });

  it('does not hold or free a port whose viewer was evicted', () => {
    const { registry, clock } = setUp();
    const [first, second] = [viewer(), viewer()];
    const { leaseKey } = registry.seat(first, 6000, undefined);
    registry.seat(second, 6000, leaseKey);
    registry.leave(6000, first);
    clock.nowMs += 60_000;
    expect(() => registry.seat(viewer(), 6000, undefined)).toThrow(coded('port-taken'));
  });

  it("does not seat anybody on a native client's port", () => {
    const { registry } = setUp();
    registry.reserve(6000);
    registry.reserve(5567);
    expect(registry.count()).toEqual({ free: 2, taken: 1 });
    expect(registry.seat(viewer(), undefined, undefined).port).toBe(6001);
    expect(() => registry.seat(viewer(), 6000, undefined)).toThrow(coded('port-taken'));
    expect(() => registry.seat(viewer(), 5567, undefined)).toThrow(coded('port-taken'));
    registry.free(6000);
    expect(registry.seat(viewer(), 6000, undefined).port).toBe(6000);
  });

  it('does not reserve a port twice', () => {
    const { registry } = setUp();
    registry.reserve(5567);
    expect(() => registry.reserve(5567)).toThrow(coded('port-taken'));
    registry.free(5567);
    expect(() => registry.reserve(5567)).not.toThrow();
  });
});
