import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Context, Request } from 'zeromq';
import { type Admission, Authenticator, judgePeer } from '../../../gateway/netgear/authenticator.ts';
import { openSenderKeys, type Security } from '../../../gateway/netgear/curve-keys.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway-keys-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** 32 bytes that Z85 encodes as 40 zeros: not the key of any peer. */
const STRANGER = new Uint8Array(32);

/** The key of the folder's client, as bytes. */
function clientKey(): Uint8Array {
  const digits = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';
  const bytes = Buffer.alloc(32);
  openSenderKeys(folder)
    .publicKey.match(/.{5}/g)!
    .forEach((group, index) =>
      bytes.writeUInt32BE(
        group.split('').reduce((sum: number, digit: string) => sum * 85 + digits.indexOf(digit), 0),
        index * 4,
      ),
    );
  return bytes;
}

/** An authenticator, with a hand-written libzmq side of ZAP (ZeroMQ RFC 27). */
class Desk implements Disposable {
  readonly refusals: (string | null)[] = [];
  readonly authenticator = new Authenticator(new Context());
  readonly #admission: Admission;
  readonly #asking: Request;

  constructor(security: Partial<Security>) {
    this.#admission = this.authenticator.admit((peer) => {
      const refusal = judgePeer({ mode: 'stonehouse', folder, allowedAddresses: null, ...security }, peer);
      if (refusal !== null) this.refusals.push(refusal);
      return refusal === null ? 'admitted' : 'refused';
    });
    this.#asking = new Request({ context: this.authenticator.context, linger: 0 });
    this.#asking.connect('inproc://zeromq.zap.01');
  }

  async ask(address: string, mechanism: string, ...credentials: Uint8Array[]): Promise<string[]> {
    return this.askFor(this.#admission.domain, address, mechanism, ...credentials);
  }

  async askFor(domain: string, address: string, mechanism: string, ...credentials: Uint8Array[]): Promise<string[]> {
    await this.#asking.send(['1.0', '7', domain, address, '', mechanism, ...credentials]);
    return (await this.#asking.receive()).map(String);
  }

  [Symbol.dispose](): void {
    this.#asking.close();
    this.#admission.close();
  }
}

const ACCEPTED = ['1.0', '7', '200', 'OK', '', ''];
const REFUSED = ['1.0', '7', '400', 'not allowed', '', ''];

describe('Authenticator', () => {
  it('admits any key in StoneHouse mode', async () => {
    using desk = new Desk({});
    expect(await desk.ask('10.0.0.1', 'CURVE', STRANGER)).toEqual(ACCEPTED);
    expect(desk.refusals).toEqual([]);
  });

  it('admits only listed keys in IronHouse mode', async () => {
    using desk = new Desk({ mode: 'ironhouse' });
    expect(await desk.ask('10.0.0.1', 'CURVE', clientKey())).toEqual(ACCEPTED);
    expect(await desk.ask('10.0.0.1', 'CURVE', STRANGER)).toEqual(REFUSED);
    expect(desk.refusals).toEqual([`10.0.0.1 was refused: its key ${'0'.repeat(40)} is not in ${folder}/public_keys`]);
  });

  it('detects a removed key immediately, and continues without the folder', async () => {
    using desk = new Desk({ mode: 'ironhouse' });
    const key = clientKey();
    expect(await desk.ask('10.0.0.1', 'CURVE', key)).toEqual(ACCEPTED);
    rmSync(join(folder, 'public_keys', 'client.key'));
    expect(await desk.ask('10.0.0.1', 'CURVE', key)).toEqual(REFUSED);
    rmSync(join(folder, 'public_keys'), { recursive: true });
    expect(await desk.ask('10.0.0.1', 'CURVE', key)).toEqual(REFUSED);
  });

  it('admits only listed addresses', async () => {
    using desk = new Desk({ allowedAddresses: ['10.0.0.1', '10.0.0.2'] });
    expect(await desk.ask('10.0.0.2', 'CURVE', STRANGER)).toEqual(ACCEPTED);
    expect(await desk.ask('10.0.0.3', 'CURVE', STRANGER)).toEqual(REFUSED);
    expect(desk.refusals).toEqual(['10.0.0.3 was refused: the option allow lists only 10.0.0.1, 10.0.0.2']);
  });

  it.each([
    ['NULL', []],
    ['PLAIN', [Buffer.from('user'), Buffer.from('password')]],
    ['CURVE', []],
    ['CURVE', [new Uint8Array(31)]],
    ['CURVE', [new Uint8Array(33)]],
  ])('refuses a peer without a key: %s %j', async (mechanism, credentials) => {
    using desk = new Desk({});
    expect(await desk.ask('10.0.0.1', mechanism, ...credentials)).toEqual(REFUSED);
    expect(desk.refusals).toEqual(['10.0.0.1 was refused: it presented no CURVE key']);
  });

  it('consults each socket about its own peers', async () => {
    using desk = new Desk({});
    const asked: string[] = [];
    const other = desk.authenticator.admit(({ address, mechanism }) => {
      asked.push(`${address} ${mechanism}`);
      return 'admitted';
    });
    expect(await desk.askFor(other.domain, '10.0.0.9', 'NULL')).toEqual(ACCEPTED);
    expect(asked).toEqual(['10.0.0.9 NULL']);
    other.close();
    other.close();
    expect(await desk.askFor(other.domain, '10.0.0.9', 'NULL')).toEqual(REFUSED);
    expect(await desk.ask('10.0.0.1', 'CURVE', STRANGER)).toEqual(ACCEPTED);
  });

  it('makes a peer retry later if there are too many', async () => {
    using desk = new Desk({});
    const full = desk.authenticator.admit(() => 'later');
    expect((await desk.askFor(full.domain, '10.0.0.1', 'NULL'))[2]).toBe('300');
    full.close();
  });

  it('works again after its last socket has closed and another was opened', async () => {
    const authenticator = new Authenticator(new Context());
    for (let round = 0; round < 3; round += 1) {
      const admission = authenticator.admit(() => 'admitted');
      const asking = new Request({ context: authenticator.context, linger: 0 });
      asking.connect('inproc://zeromq.zap.01');
      await asking.send(['1.0', '7', admission.domain, '10.0.0.1', '', 'NULL']);
      expect((await asking.receive()).map(String)).toEqual(ACCEPTED);
      asking.close();
      admission.close();
    }
  });
});
