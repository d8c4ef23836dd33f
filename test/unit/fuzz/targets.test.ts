import { describe, expect, it } from 'vitest';
import { createSamples, damageJpeg, scanBomb } from '../../fuzz/pictures.ts';
import { Random } from '../../fuzz/random.ts';
import { listRoutes } from '../../fuzz/routes.ts';
import { formatScripts, parseScripts } from '../../fuzz/script.ts';
import { createTarget, TARGET_NAMES } from '../../fuzz/targets.ts';
import type { World } from '../../fuzz/world.ts';

const samples = await createSamples();

const WORLD: World = {
  httpPort: 8080,
  tokens: { administer: 'a'.repeat(24), view: 'v'.repeat(24), publish: 'p'.repeat(24), port: 'r'.repeat(24) },
  reservedPort: 6000,
  viewed: ['main', 'real'],
  pushed: ['cam'],
  routes: [
    { method: 'GET', path: '/api/streams' },
    { method: 'POST', path: '/api/streams/:name/clients' },
    { method: 'DELETE', path: '/api/streams/:name/clients/:id' },
    { method: 'GET', path: '/*' },
  ],
  zmq: [
    { port: 5001, socket: 'REP', codec: 'netgear', isFramesAllowed: true },
    { port: 5002, socket: 'PULL', codec: 'async', isFramesAllowed: true },
    { port: 5003, socket: 'REP', codec: 'imagezmq', isFramesAllowed: false },
  ],
  fakes: [
    { port: 5010, socket: 'REP' },
    { port: 5011, socket: 'SUB' },
  ],
  innocents: ['web-1', 'native-5020'],
  heavy: false,
};

describe.each(TARGET_NAMES.filter((name) => name !== 'decoders'))('target %s', (name) => {
  const target = createTarget(name, samples);
  const inputs = (seed: number): string[] =>
    Array.from({ length: 40 }, (_, number) => formatScripts(target.create(new Random(seed, name, number), WORLD)));

  it('generates the same inputs for the same seed, and other inputs for another', () => {
    const first = inputs(5);
    expect(inputs(5)).toEqual(first);
    expect(inputs(6)).not.toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(35);
  });

  it('generates inputs that can be stored', () => {
    const scripts = target.create(new Random(1, name, 1), WORLD);
    expect(formatScripts(parseScripts(formatScripts(scripts)))).toBe(formatScripts(scripts));
    expect(scripts.flatMap(({ steps }) => steps).some(({ kind }) => kind === 'send')).toBe(true);
  });

  it('connects only to this machine, from this machine', () => {
    const ports = new Set([WORLD.httpPort, ...[...WORLD.zmq, ...WORLD.fakes].map(({ port }) => port)]);
    for (let number = 0; number < 60; number += 1) {
      for (const { port, from } of target.create(new Random(2, name, number), WORLD)) {
        expect(ports).toContain(port);
        expect(from).toMatch(/^127\./);
      }
    }
  });
});

describe('http target', () => {
  it('reports a success that should have been refused, and a server error', () => {
    const target = createTarget('http', samples);
    const script = { what: 'x', port: 1, from: '127.0.0.1', steps: [], lingerMs: 0, notes: { forbidden: 'no token' } };
    const outcome = (text: string) => ({
      end: 'closed' as const,
      received: Buffer.from(text),
      receivedBytes: text.length,
      error: null,
    });
    expect(target.judge?.(script, outcome('HTTP/1.1 200 OK\r\n\r\n{}'), WORLD)).toContain('200');
    expect(target.judge?.(script, outcome('HTTP/1.1 401 Unauthorized\r\n\r\n{}'), WORLD)).toBeNull();
    expect(
      target.judge?.({ ...script, notes: {} }, outcome('HTTP/1.1 200 OK\r\n\r\n{}HTTP/1.1 500 No\r\n\r\n'), WORLD),
    ).toContain('500');
    expect(target.judge?.({ ...script, notes: {} }, outcome('HTTP/1.1 503 Busy\r\n\r\n'), WORLD)).toBeNull();
  });

  it('never disconnects the clients of the harness, and never lists a client on another machine', () => {
    const target = createTarget('http', samples);
    for (let number = 0; number < 300; number += 1) {
      for (const { steps } of target.create(new Random(9, 'http', number), WORLD)) {
        const text = steps
          .map((step) => (step.kind === 'send' ? Buffer.from(step.bytes).toString('latin1') : ''))
          .join('');
        if (!text.includes(WORLD.tokens.administer)) continue;
        expect(
          decodeURIComponent(text.replaceAll(/%(?![0-9a-f]{2})/gi, '%25').replaceAll(/%[89a-f][0-9a-f]/gi, '')),
        ).not.toMatch(/DELETE \S*clients\/(?:web-1|native-5020)(?!\d)/);
        for (const [, host] of text.matchAll(/tcp:\/\/([^:"]+)/g)) expect(host).toBe('127.0.0.1');
      }
    }
  });
});

describe('listRoutes', () => {
  it("lists the router's own routes", async () => {
    const routes = await listRoutes();
    expect(routes).toContainEqual({ method: 'GET', path: '/healthz' });
    expect(routes).toContainEqual({ method: 'POST', path: '/streams/:name/frames' });
    expect(routes).toContainEqual({ method: 'DELETE', path: '/api/streams/:name/clients/:id' });
  });
});

describe('damageJpeg', () => {
  it('changes the picture in the same way each time', () => {
    const [jpeg = Buffer.alloc(0)] = samples.jpegs;
    const damage = (): string[] =>
      Array.from({ length: 30 }, (_, seed) => damageJpeg(jpeg, new Random(seed)).toString('base64'));
    expect(damage().filter((text) => text !== jpeg.toString('base64')).length).toBeGreaterThan(20);
    expect(damage()).toEqual(damage());
  });
});

describe('scanBomb', () => {
  it('has the requested number of scans', () => {
    const scans = (bytes: Buffer): number => bytes.toString('latin1').split('\xff\xda').length - 1;
    expect(scans(scanBomb(512, 512, 100))).toBe(101);
  });
});
