import { describe, expect, it } from 'vitest';
import { receiveAll, type ReceivingSocket } from '../../../gateway/netgear/receive-all.ts';

/** A socket with a queue of `count` messages of `bytes` bytes each; it closes after them. */
function queueOf(
  count: number,
  bytes: number,
  isReadable: (left: number) => boolean = (left) => left > 0,
): ReceivingSocket {
  let left = count;
  return {
    get closed() {
      return left < 0;
    },
    get readable() {
      return isReadable(left);
    },
    receive: async () => {
      left -= 1;
      if (left < 0) throw Object.assign(new Error('closed'), { code: 'EAGAIN' });
      return [new Uint8Array(bytes)];
    },
  };
}

async function count(
  socket: ReceivingSocket,
  limits?: Parameters<typeof receiveAll>[1],
  handle: () => void = () => undefined,
): Promise<number> {
  let messages = 0;
  for await (const _parts of receiveAll(socket, limits)) {
    messages += 1;
    handle();
  }
  return messages;
}

describe('receiveAll', () => {
  const limits = { messages: 100, bytes: 1000, ms: 5 };

  const spend = (ms: number) => (): void => {
    const untilMs = performance.now() + ms;
    while (performance.now() < untilMs);
  };

  it('treats many consecutive messages as a flood only if reading them takes long', async () => {
    expect(await count(queueOf(150, 1), { ...limits, ms: 1e6 }, spend(0.1))).toBe(150);
    expect(await count(queueOf(101, 1), limits, spend(0.1))).toBe(101);
    await expect(count(queueOf(102, 1), limits, spend(0.1))).rejects.toMatchObject({ code: 'flooded' });
  });

  it('restarts the count when the queue was empty', async () => {
    expect(
      await count(
        queueOf(1000, 1, (left) => left % 90 !== 0),
        limits,
      ),
    ).toBe(1000);
  });

  it('treats many bytes as a flood only if reading them takes long', async () => {
    expect(await count(queueOf(20, 100), { ...limits, ms: 1e6 }, spend(1))).toBe(20);
    await expect(count(queueOf(20, 100), limits, spend(1))).rejects.toMatchObject({ code: 'flooded' });
    expect(await count(queueOf(9, 100), limits, spend(1))).toBe(9);
  });

  it('reads a socket of this process without limits', async () => {
    expect(await count(queueOf(5000, 1000), null)).toBe(5000);
  });

  it('yields to the event loop', async () => {
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    await count(queueOf(50, 1), limits, () => {
      const untilMs = performance.now() + 2;
      while (performance.now() < untilMs);
    });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(5);
  });
});
