import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { freePorts } from '../../helpers/free-port.ts';
import { GatewayProcess } from '../../helpers/gateway-process.ts';
import { withinAttempts } from '../../helpers/within-attempts.ts';
import { type ClientReport, PythonPeer } from '../../helpers/peers.ts';
import { JPEG } from '../../helpers/viewer.ts';
import { WebViewer } from '../../helpers/web-viewer.ts';

interface AnswerEvent {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const FRAMES = 150;

/** The size of the Python clients' own pictures, so that nobody skips one. */
const PICTURE = { height: 121, width: 401 } as const;

let folder: string;
/** A JPEG like that of a camera program. */
let picture: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway push ')); // With a space, to test the quoting of shell commands.
  picture = join(folder, 'picture.jpg');
  writeFileSync(picture, JPEG);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The numbers in the messages, in order of arrival. */
const numbersOf = (viewer: WebViewer): unknown[] => viewer.messages.map((message) => (message as { n: number }).n);
const upTo = (count: number): number[] => Array.from({ length: count }, (_none, index) => index);

const stream = async (gateway: GatewayProcess): Promise<string> => `${await gateway.url}/streams/main`;

// Two at a time: each needs half a core.
describe.concurrent('one picture per request, or several in a running request', () => {
  it.for([
    { how: 'single', npy: false },
    { how: 'form', npy: false },
    { how: 'running', npy: false },
    { how: 'running', npy: true },
  ])(
    'reaches two real clients and two viewers, every picture in order at 30 fps: $how, npy $npy',
    async (options, { expect }) => {
      await withinAttempts(
        async () => {
          const [a, b] = (await freePorts(2)) as [number, number];
          await using gateway = await GatewayProcess.start(
            '--source',
            'push:',
            '--client',
            `tcp://127.0.0.1:${a}?pattern=1`,
            '--client',
            `tcp://127.0.0.1:${b}?pattern=0`,
          );
          await using first = new PythonPeer('client.py', {
            port: a,
            pattern: 1,
            bidirectional: true,
            returns: 'a',
            awaited: FRAMES - 1,
          });
          await using second = new PythonPeer('client.py', {
            port: b,
            pattern: 0,
            bidirectional: true,
            returns: 'b',
            awaited: FRAMES - 1,
          });
          await using one = await WebViewer.open(await stream(gateway));
          await using another = await WebViewer.open(await stream(gateway));
          await gateway.statusWhere(
            'two live clients',
            ({ clients }) => clients.filter(({ kind, state }) => kind === 'native' && state === 'live').length === 2,
          );
          await using publisher = new PythonPeer('push_requests.py', {
            url: await stream(gateway),
            frames: FRAMES,
            ...PICTURE,
            ...options,
          });
          await publisher.waitFor('done', undefined, 60_000);
          expect(publisher.events('refused')).toEqual([]);
          if (options.how === 'running')
            expect(publisher.events<AnswerEvent>('answer')).toMatchObject([
              { status: 200, body: { frames: FRAMES, rejected: 0 } },
            ]);
          const { counters } = await gateway.status();
          expect(counters).toMatchObject({ received: FRAMES, rejected: 0 });
          const reports = await Promise.all(
            [first, second].map((peer) => peer.waitFor<ClientReport>('progress', ({ last }) => last === FRAMES - 1)),
          );
          for (const report of reports)
            expect(report).toMatchObject({ mismatched: 0, disordered: 0, last: FRAMES - 1 });
          await expect.poll(() => numbersOf(another).at(-1)).toBe(FRAMES - 1);
          return { reports, viewers: [numbersOf(one), numbersOf(another)] };
        },
        ({ reports, viewers }) => {
          for (const report of reports) expect(report).toMatchObject({ first: 0, gaps: 0 });
          for (const numbers of viewers) expect(numbers).toEqual(upTo(FRAMES));
        },
      );
    },
  );
});
