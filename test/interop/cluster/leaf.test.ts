import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePorts } from '../../helpers/free-port.ts';
import { NatsServer } from '../../helpers/nats.ts';
import { JPEG, Viewer } from '../../helpers/viewer.ts';
import { Here, served, until } from './here.ts';

async function configuration(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gearway-nats-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'nats.conf');
  await writeFile(path, text);
  return path;
}

describe('a cluster of two sites', () => {
  it('shares streams through a leaf node, which makes only outgoing connections, even after its restart', async () => {
    const [leafPort] = (await freePorts(1)) as [number];
    // As in docs/scale-out.md.
    await using main = await NatsServer.start(
      '-c',
      await configuration(`jetstream { domain: main }
leafnodes { host: 127.0.0.1, port: ${leafPort} }`),
    );
    await using site = await NatsServer.startLeaf(
      await configuration(`leafnodes { remotes: [ { url: "nats://127.0.0.1:${leafPort}" } ] }`),
    );
    await using a = await Here.start(main.url, 'A', { source: 'door=push:' });
    await using robot = await Here.at(`${site.url}?gateway=robot&domain=main`, {
      source: 'arm=push:',
      control: 'exclusive',
    });
    await Promise.all([served(a.url, 'arm'), served(robot.url, 'door')]);
    const withPort = async (url: string, stream: string): Promise<Viewer | null> => {
      const viewer = await Viewer.connect(url, stream);
      if ((await viewer.hello()).port !== null) return viewer;
      await viewer[Symbol.asyncDispose]();
      return null;
    };
    const shown = async (opening: Promise<Viewer | null>, stream: string, owner: Here, n: number): Promise<void> => {
      await using viewer = await opening;
      expect(viewer).not.toBeNull();
      await until(
        `picture ${n}`,
        async () => {
          owner.gateway.streams.get(stream)?.push(JPEG, { message: { n } });
          const [frame] = (await viewer!.settled()).filter(({ type }) => type === 'frame');
          return frame?.type === 'frame' ? frame.message : null;
        },
        (message) => JSON.stringify(message) === JSON.stringify({ n }),
      );
    };
    await shown(withPort(a.url, 'arm'), 'arm', robot, 1);
    await shown(withPort(robot.url, 'door'), 'door', a, 2);
    const returns = a.gateway.streams.get('door')!.returns();
    await using viewer = await Viewer.connect(robot.url, 'door');
    const { port } = await viewer.hello();
    viewer.send({ type: 'return', id: 1, mode: 'sticky', body: { kind: 'value', value: 'hello' } });
    expect((await returns.next()).value).toEqual({ port, data: 'hello' });
    await site.kill();
    await site.start();
    // Viewers that connect before the robot is connected again can only watch. The viewer that gets a port is used,
    // because the connection may be interrupted again before another one connects.
    const eventually = (url: string, stream: string): Promise<Viewer | null> =>
      until(
        `a port of ${stream}`,
        () => withPort(url, stream),
        (open) => open !== null,
      );
    await shown(eventually(a.url, 'arm'), 'arm', robot, 3);
    await shown(eventually(robot.url, 'door'), 'door', a, 4);
    expect(viewer.socket.readyState).toBe(viewer.socket.OPEN);
  });
});
