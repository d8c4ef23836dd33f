import { describe, expect, it } from 'vitest';
import { parseFlag, parseNetGearAddress } from '../../../gateway/netgear/address.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

describe('parseNetGearAddress', () => {
  it('reads endpoint, port, pattern and options', () => {
    expect(parseNetGearAddress('tcp://127.0.0.1:5567?pattern=0&id=7', ['id'])).toEqual({
      endpoints: ['tcp://127.0.0.1:5567'],
      ports: ['5567'],
      pattern: 'pair',
      security: null,
      options: new Map([['id', '7']]),
    });
  });

  it('uses pattern 1 by default', () => {
    expect(parseNetGearAddress('tcp://127.0.0.1:5567').pattern).toBe('request-reply');
    expect(parseNetGearAddress('tcp://127.0.0.1:5567?').pattern).toBe('request-reply');
  });

  it.each([
    ['0', 'pair'],
    ['1', 'request-reply'],
    ['2', 'publish-subscribe'],
  ])('reads pattern %s as %s', (number, pattern) => {
    expect(parseNetGearAddress(`tcp://127.0.0.1:5567?pattern=${number}`).pattern).toBe(pattern);
  });

  it.each(['3', '-1', '', '01', 'pair', '1.0'])('rejects pattern %j', (pattern) => {
    expect(() => parseNetGearAddress(`tcp://127.0.0.1:5567?pattern=${pattern}`)).toThrow(coded('pattern-unknown'));
  });

  it.each(['127.0.0.1', 'localhost', 'camera-1.example.org', '*', '[::1]', '[fe80::1]'])(
    'accepts the host %s',
    (host) => {
      expect(parseNetGearAddress(`tcp://${host}:5567`).endpoints).toEqual([`tcp://${host}:5567`]);
    },
  );

  it.each(['TCP://127.0.0.1:5567', 'Tcp://127.0.0.1:5567'])('accepts the scheme of %s', (address) => {
    expect(parseNetGearAddress(address).endpoints).toEqual(['tcp://127.0.0.1:5567']);
  });

  it.each(['192.168.1.300', '1.2.3', '1.2.3.4.5', '256.0.0.1', '1..2.3', '01.02.03.04', '[::1::1]', '[1.2.3.4]'])(
    'rejects %s, which looks like an IP address but is not one',
    (host) => {
      expect(() => parseNetGearAddress(`tcp://${host}:5567`)).toThrow(coded('address-invalid'));
    },
  );

  it.each(['1', '65535'])('accepts the port %s', (port) => {
    expect(parseNetGearAddress(`tcp://127.0.0.1:${port}`).ports).toEqual([port]);
  });

  it('is not misled by a host or path that contains the port', () => {
    expect(parseNetGearAddress('tcp://[fe80::80]:80').endpoints).toEqual(['tcp://[fe80::80]:80']);
    expect(parseNetGearAddress('ipc:///tmp/a:5555:5555').endpoints).toEqual(['ipc:///tmp/a:5555:5555']);
  });

  it('reads several ports, each with its endpoint', () => {
    expect(parseNetGearAddress('tcp://10.0.0.1:5567,5577,05587')).toMatchObject({
      ports: ['5567', '5577', '05587'],
      endpoints: ['tcp://10.0.0.1:5567', 'tcp://10.0.0.1:5577', 'tcp://10.0.0.1:05587'],
    });
  });

  it.each(['5567,5567', '5567,05567'])('rejects the ports %s, which are equal', (ports) => {
    expect(() => parseNetGearAddress(`tcp://127.0.0.1:${ports}`)).toThrow(coded('address-invalid'));
  });

  it.each(['5567,', ',5567', '5567,0', '5567,65536', '5567;5577', '5567, 5577'])('rejects the ports %j', (ports) => {
    expect(() => parseNetGearAddress(`tcp://127.0.0.1:${ports}`)).toThrow(coded('address-invalid'));
  });

  it('reads ipc, with the port after the path as in NetGear', () => {
    expect(parseNetGearAddress('ipc:///tmp/feed:5555,5556?pattern=0')).toMatchObject({
      ports: ['5555', '5556'],
      endpoints: ['ipc:///tmp/feed:5555', 'ipc:///tmp/feed:5556'],
      pattern: 'pair',
    });
    expect(parseNetGearAddress(`ipc:///${'a'.repeat(96)}:5555`).endpoints).toEqual([`ipc:///${'a'.repeat(96)}:5555`]);
    expect(() => parseNetGearAddress(`ipc:///${'a'.repeat(97)}:5555`)).toThrow(coded('address-invalid'));
  });

  it.each([
    ['0', null],
    ['1', { mode: 'stonehouse', folder: '/nowhere/.vidgear/keys', allowedAddresses: null }],
    ['2', { mode: 'ironhouse', folder: '/nowhere/.vidgear/keys', allowedAddresses: null }],
  ])('reads secure=%s', (number, security) => {
    expect(
      parseNetGearAddress(`tcp://127.0.0.1:5567?secure=${number}${number === '0' ? '' : '&keys=/nowhere'}`).security,
    ).toEqual(security);
  });

  it('reads the admitted addresses', () => {
    expect(parseNetGearAddress('tcp://*:5567?secure=1&keys=/nowhere&allow=10.0.0.1,10.0.0.2', ['allow'])).toMatchObject(
      {
        security: { allowedAddresses: ['10.0.0.1', '10.0.0.2'] },
        options: new Map(),
      },
    );
    expect(() => parseNetGearAddress('tcp://*:5567?secure=1&keys=/nowhere&allow=10.0.0.1')).toThrow(
      coded('address-invalid'),
    );
  });

  it.each(['secure=3', 'secure=yes', 'keys=/nowhere', 'secure=0&keys=/nowhere', 'allow=10.0.0.1'])(
    'rejects %s',
    (options) => {
      expect(() => parseNetGearAddress(`tcp://127.0.0.1:5567?${options}`, ['allow'])).toThrow(coded('option-invalid'));
    },
  );

  it.each([
    '',
    'tcp://',
    '127.0.0.1:5567',
    'udp://127.0.0.1:5567',
    'ipc:///tmp/socket',
    'ipc://socket:5555',
    'ipc:///:5555',
    'ipc:///tmp/a b:5555',
    'ipc:///tmp/a,b:5555',
    'ipc:///tmp/a\0b:5555',
    'tcp://:5567',
    'tcp://127.0.0.1',
    'tcp://127.0.0.1:',
    'tcp://127.0.0.1:0',
    'tcp://127.0.0.1:65536',
    'tcp://127.0.0.1:123456',
    'tcp://127.0.0.1:-1',
    'tcp://127.0.0.1:5567/',
    'tcp://127.0.0.1:5567;tcp://x:1',
    'tcp://::1:5567',
    'tcp://127.0.0.1:5567#a',
    ' tcp://127.0.0.1:5567',
    'tcp://127.0.0.1:5567\n',
    'tcp://user@host:5567',
  ])('rejects %j', (text) => {
    expect(() => parseNetGearAddress(text)).toThrow(coded('address-invalid'));
  });

  it('rejects options that do not apply', () => {
    expect(() => parseNetGearAddress('tcp://127.0.0.1:5567?id=1')).toThrow(coded('address-invalid'));
    expect(() => parseNetGearAddress('tcp://127.0.0.1:5567?patern=1', ['id'])).toThrow(coded('address-invalid'));
  });
});

describe('parseFlag', () => {
  it('reads true and false, with false as the default', () => {
    const options = new Map([
      ['a', 'true'],
      ['b', 'false'],
    ]);
    expect([parseFlag(options, 'a'), parseFlag(options, 'b'), parseFlag(options, 'c')]).toEqual([true, false, false]);
  });

  it.each(['', '1', 'True', 'yes'])('rejects %j', (text) => {
    expect(() => parseFlag(new Map([['a', text]]), 'a')).toThrow(coded('option-invalid'));
  });
});
