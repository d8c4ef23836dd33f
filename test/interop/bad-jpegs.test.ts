import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createGateway } from '../../gateway/create-gateway.ts';
import { NetGearReceiver } from '../../gateway/netgear/receiver.ts';
import { NetGearSender } from '../../gateway/netgear/sender.ts';
import { Disposables } from '../helpers/disposables.ts';
import { FrameRecorder } from '../helpers/frame-recorder.ts';
import { freePorts } from '../helpers/free-port.ts';
import { PythonPeer } from '../helpers/peers.ts';
import { WAYS_IN } from '../helpers/ways-in.ts';
import { COUNT, isBad, JPEGS } from '../helpers/bad-jpegs.ts';

const GOOD = JPEGS.flatMap((_, index) => (isBad(index) ? [] : [index]));

describe('JPEGs that crash a real client, among valid ones', () => {
  it.each(Object.entries(WAYS_IN))(
    'by %s: it gets the valid ones, and viewers get all',
    async (_name, { source, open }) => {
      const [port = 0, native = 0] = await freePorts(2);
      await using all = new Disposables();
      const client = all.use(new PythonPeer('client.py', { port: native, height: 120, numbers: true }));
      const gateway = all.use(
        await createGateway({ source: source(port), port: 0, clients: [`tcp://127.0.0.1:${native}`] }),
      );
      const { url } = await gateway.listen();
      await expect.poll(() => gateway.stream.clients[0]?.state, { timeout: 30_000 }).toBe('live');
      const viewer = all.use(await FrameRecorder.open(url.replace(/\/$/, '')));
      await expect.poll(() => gateway.stream.clients.length).toBe(2);
      const way = all.use(await open(gateway, url, port));
      for (const [index, jpeg] of JPEGS.entries()) {
        const before = gateway.stream.status().counters.rejected;
        await way.send(jpeg);
        if (isBad(index))
          await expect
            .poll(() => gateway.stream.status().counters.rejected, {
              timeout: 15_000,
              message: `picture ${index} is rejected`,
            })
            .toBe(before + 1);
        else await client.waitFor<{ n: number }>('number', ({ n }) => n === index);
      }
      expect((await viewer.take(COUNT)).map(({ bytes }) => bytes)).toEqual(JPEGS.map(({ byteLength }) => byteLength));
      expect(client.events<{ n: number }>('number').map(({ n }) => n)).toEqual(GOOD);
      expect(client.isRunning).toBe(true);
      const { counters } = gateway.stream.status();
      expect(counters.lastRejections).toSatisfy((texts: string[]) =>
        texts.every((text) => text.startsWith('jpeg-invalid: ')),
      );
    },
    150_000,
  );

  it('as a directory', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gearway-bad-jpegs-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    for (const [index, jpeg] of JPEGS.entries()) {
      writeFileSync(join(folder, '.new'), jpeg);
      renameSync(join(folder, '.new'), join(folder, `${String(index).padStart(3, '0')}.jpg`));
    }
    const [native = 0] = await freePorts(1);
    await using client = new PythonPeer('client.py', { port: native, height: 120, numbers: true });
    await using gateway = await createGateway({
      source: `directory:${folder}?fps=5&loop=true`,
      port: 0,
      clients: [`tcp://127.0.0.1:${native}`],
    });
    for (const number of GOOD) await client.waitFor<{ n: number }>('number', ({ n }) => n === number);
    expect(new Set(client.events<{ n: number }>('number').map(({ n }) => n))).toEqual(new Set(GOOD));
    await expect.poll(() => gateway.stream.status().counters.rejected).toBeGreaterThan(3);
    expect(client.isRunning).toBe(true);
  });

  it('from the sender of gearway/netgear, which refuses them', async () => {
    const [port = 0] = await freePorts(1);
    await using client = new PythonPeer('client.py', {
      port,
      pattern: 1,
      multiclient: false,
      height: 120,
      numbers: true,
    });
    await using sender = new NetGearSender({ address: '127.0.0.1', port, pattern: 1 });
    await sender.ready();
    for (const [index, jpeg] of JPEGS.entries()) {
      if (isBad(index)) await expect(sender.send(jpeg)).rejects.toMatchObject({ code: 'jpeg-invalid' });
      else await sender.send(jpeg);
    }
    await client.waitFor<{ n: number }>('number', ({ n }) => n === GOOD.at(-1));
    expect(client.events<{ n: number }>('number').map(({ n }) => n)).toEqual(GOOD);
    await sender.close();
    await client.waitFor('done');
  });

  it('returned by the receiver of gearway/netgear, which keeps the last valid one', async () => {
    const [port = 0] = await freePorts(1);
    await using receiver = new NetGearReceiver({ address: '127.0.0.1', port, pattern: 1, bidirectional_mode: true });
    await receiver.open();
    await using server = new PythonPeer('server.py', { port, bidirectional: true, frames: 3000, multiclient: false });
    await receiver.recv({ return_data: 'good' });
    for (const [index, jpeg] of JPEGS.entries())
      if (isBad(index))
        await expect(receiver.recv({ return_data: jpeg })).rejects.toMatchObject({ code: 'jpeg-invalid' });
    await receiver.recv();
    await receiver.recv();
    expect(server.isRunning).toBe(true);
  });

  it('are not verified without a native client, and reach a client without verification', async () => {
    await using gateway = await createGateway({ port: 0 });
    gateway.stream.push(JPEGS[0]!);
    const [native = 0] = await freePorts(1);
    await using receiver = new NetGearReceiver({ address: '127.0.0.1', port: native, pattern: 1 });
    gateway.stream.addClient(`tcp://127.0.0.1:${native}`);
    gateway.stream.push(JPEGS[1]!, { check: false });
    let payload: Uint8Array | undefined;
    while (payload === undefined || !Buffer.from(payload).equals(JPEGS[1]!))
      payload = (await receiver.recv())?.frame.payload;
    expect(gateway.stream.status().counters.rejected).toBe(0);
  });
});
