import { getEventListeners, once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Pair, Reply, curveKeyPair } from 'zeromq';
import { describe, expect, it, onTestFinished } from 'vitest';
import { probeZmtpPeer, readZmtpPeer, ZmtpConversation } from '../../../gateway/netgear/zmtp-peer.ts';
import { freePorts } from '../../helpers/free-port.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** ZeroMQ RFC 23: signature, version 3.1, mechanism, not its server, 31 zeros. */
const greeting = (mechanism: string): Buffer =>
  Buffer.concat([
    hex('ff 00 00 00 00 00 00 00 01 7f 03 01'),
    Buffer.from(mechanism.padEnd(20, '\0'), 'latin1'),
    Buffer.alloc(32),
  ]);

/** READY with Socket-Type REP and an empty Identity, as sent by libzmq's REP socket. */
const READY_REP = hex('04 26 05 5245414459 0b 536f636b65742d54797065 00000003 524550 08 4964656e74697479 00000000');

describe('readZmtpPeer', () => {
  it('reads mechanism and socket type', () => {
    expect(readZmtpPeer(Buffer.concat([greeting('NULL'), READY_REP]), false)).toEqual({
      kind: 'zmtp',
      mechanism: 'NULL',
      socketType: 'REP',
    });
    expect(readZmtpPeer(greeting('CURVE'), false)).toEqual({ kind: 'zmtp', mechanism: 'CURVE', socketType: null });
  });

  it('waits for more bytes at every length, and evaluates the received bytes at the end', () => {
    const whole = Buffer.concat([greeting('NULL'), READY_REP]);
    for (let length = 0; length < whole.length; length += 1) {
      const part = whole.subarray(0, length);
      expect(readZmtpPeer(part, false), `${length}`).toBeNull();
      const kind = length === 0 ? 'silent' : length < 64 ? 'foreign' : 'zmtp';
      expect(readZmtpPeer(part, true)?.kind, `${length}`).toBe(kind);
      if (length >= 64) expect(readZmtpPeer(part, true)).toEqual({ kind: 'zmtp', mechanism: 'NULL', socketType: null });
    }
  });

  it.each(['48545450', 'ff 00 00 00 00 00 00 00 01 7e', '00'])(
    'immediately recognizes %s as another program',
    (bytes) => {
      expect(readZmtpPeer(hex(bytes), false)).toEqual({ kind: 'foreign' });
    },
  );

  it.each([
    ['a command that is not READY', '04 06 05 4552524f52'],
    ['a message', '00 01 41'],
    ['no Socket-Type', '04 13 05 5245414459 08 4964656e74697479 00000000'],
    ['a length beyond the command', '04 0a 05 5245414459 ff 00 00 00'],
  ])('has no socket type from %s', (_name, command) => {
    expect(readZmtpPeer(Buffer.concat([greeting('NULL'), hex(command)]), true)).toEqual({
      kind: 'zmtp',
      mechanism: 'NULL',
      socketType: null,
    });
  });
});

describe('ZmtpConversation', () => {
  it('sends its mechanism only to a peer without one, which would otherwise disconnect', () => {
    const said: string[] = [];
    const conversation = new ZmtpConversation((bytes) => said.push(Buffer.from(bytes).toString('hex')));
    expect(said).toEqual(['ff00000000000000007f0300']);
    expect(conversation.add(greeting('NULL').subarray(0, 40))).toBeNull();
    expect(said).toHaveLength(1);
    expect(conversation.add(greeting('NULL').subarray(40))).toBeNull();
    expect(said[1]).toBe(`4e554c4c${'00'.repeat(48)}`);
    expect(conversation.add(READY_REP)).toEqual({ kind: 'zmtp', mechanism: 'NULL', socketType: 'REP' });
    expect(said).toHaveLength(2);

    const secure = new ZmtpConversation((bytes) => said.push(Buffer.from(bytes).toString('hex')));
    expect(secure.add(greeting('CURVE'))).toEqual({ kind: 'zmtp', mechanism: 'CURVE', socketType: null });
    expect(said).toHaveLength(3);
  });
});

describe('probeZmtpPeer', () => {
  it('detects a real socket without affecting it', async () => {
    const endpoint = `tcp://127.0.0.1:${(await freePorts(1))[0]}`;
    const pair = new Pair({ linger: 0 });
    onTestFinished(() => pair.close());
    await pair.bind(endpoint);
    expect(await probeZmtpPeer(endpoint)).toEqual({ kind: 'zmtp', mechanism: 'NULL', socketType: 'PAIR' });
    // A PAIR has a single peer: this one.
    const peer = new Pair({ linger: 0 });
    onTestFinished(() => peer.close());
    peer.connect(endpoint);
    await peer.send('first');
    expect(String(await pair.receive())).toBe('first');
  });

  it('detects a real socket in secure mode', async () => {
    const endpoint = `tcp://127.0.0.1:${(await freePorts(1))[0]}`;
    const { publicKey, secretKey } = curveKeyPair();
    const reply = new Reply({ linger: 0, curveServer: true, curvePublicKey: publicKey, curveSecretKey: secretKey });
    onTestFinished(() => reply.close());
    await reply.bind(endpoint);
    expect(await probeZmtpPeer(endpoint)).toEqual({ kind: 'zmtp', mechanism: 'CURVE', socketType: null });
  });

  it('takes at most 1.5 s, even if the peer sends single bytes', async () => {
    const server = createServer((socket) => {
      let at = 0;
      const timer = setInterval(() => socket.write(greeting('NULL').subarray(at, (at += 1))), 200);
      socket.on('error', () => undefined);
      socket.on('close', () => clearInterval(timer));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const startMs = performance.now();
    expect(await probeZmtpPeer(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`)).toEqual({
      kind: 'foreign',
    });
    const tookMs = performance.now() - startMs;
    expect(tookMs).toBeGreaterThan(1400);
    expect(tookMs).toBeLessThan(3000);
    server.close();
  });

  it('distinguishes no peer, a silent peer and another program', async () => {
    expect(await probeZmtpPeer(`tcp://127.0.0.1:${(await freePorts(1))[0]}`)).toEqual({
      kind: 'nobody',
      code: 'ECONNREFUSED',
    });
    expect(await probeZmtpPeer('ipc:///tmp/gearway-nobody:5555')).toEqual({ kind: 'nobody', code: 'ENOENT' });
    const server = createServer((socket) =>
      socket.on('data', () => socket.end('220 mail.example.org\r\n')).on('error', () => undefined),
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    expect(await probeZmtpPeer(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`)).toEqual({
      kind: 'foreign',
    });
    server.close();
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    expect(await probeZmtpPeer(`tcp://127.0.0.1:${(silent.address() as AddressInfo).port}`)).toEqual({
      kind: 'silent',
    });
    silent.close();
  });

  it('releases everything at its signal, for any result', async () => {
    const aborting = new AbortController();
    const server = createServer((socket) =>
      socket.on('data', () => socket.end('220 mail.example.org\r\n')).on('error', () => undefined),
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    await probeZmtpPeer(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`, aborting.signal);
    await probeZmtpPeer(`tcp://127.0.0.1:${(await freePorts(1))[0]}`, aborting.signal);
    expect(getEventListeners(aborting.signal, 'abort')).toEqual([]);
  });

  it('ends when its signal aborts, even before it begins', async () => {
    const aborting = new AbortController();
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    onTestFinished(() => void silent.close());
    const endpoint = `tcp://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const probing = probeZmtpPeer(endpoint, aborting.signal);
    const [socket] = (await once(silent, 'connection')) as [Socket];
    await once(socket, 'readable');
    aborting.abort();
    expect(await probing).toEqual({ kind: 'silent' });
    expect(await probeZmtpPeer(endpoint, aborting.signal)).toEqual({ kind: 'nobody', code: 'ABORT_ERR' });
    expect(getEventListeners(aborting.signal, 'abort')).toEqual([]);
  });
});
