import { describe, expect, it } from 'vitest';
import { parseNetGearAddress } from '../../gateway/netgear/address.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

describe('parseNetGearAddress', () => {
  it('reads endpoint, port, pattern and options', () => {
    expect(parseNetGearAddress('tcp://127.0.0.1:5567?pattern=0&id=7', ['id'])).toEqual({
      endpoint: 'tcp://127.0.0.1:5567', port: '5567', pattern: 'pair', options: new Map([['id', '7']]),
    });
  });

  it('takes pattern 1 when none is given', () => {
    expect(parseNetGearAddress('tcp://127.0.0.1:5567').pattern).toBe('request-reply');
    expect(parseNetGearAddress('tcp://127.0.0.1:5567?').pattern).toBe('request-reply');
  });

  it.each([['0', 'pair'], ['1', 'request-reply'], ['2', 'publish-subscribe']])('reads pattern %s as %s', (number, pattern) => {
    expect(parseNetGearAddress(`tcp://127.0.0.1:5567?pattern=${number}`).pattern).toBe(pattern);
  });

  it.each(['3', '-1', '', '01', 'pair', '1.0'])('rejects pattern %j', (pattern) => {
    expect(() => parseNetGearAddress(`tcp://127.0.0.1:5567?pattern=${pattern}`)).toThrow(coded('pattern-unknown'));
  });

  it.each(['127.0.0.1', 'localhost', 'camera-1.example.org', '*', '[::1]', '[fe80::1]'])('takes the host %s', (host) => {
    expect(parseNetGearAddress(`tcp://${host}:5567`).endpoint).toBe(`tcp://${host}:5567`);
  });

  it.each(['1', '65535'])('takes the port %s', (port) => {
    expect(parseNetGearAddress(`tcp://127.0.0.1:${port}`).port).toBe(port);
  });

  it.each([
    '', 'tcp://', '127.0.0.1:5567', 'udp://127.0.0.1:5567', 'ipc:///tmp/socket', 'tcp://:5567', 'tcp://127.0.0.1', 'tcp://127.0.0.1:', 'tcp://127.0.0.1:0',
    'tcp://127.0.0.1:65536', 'tcp://127.0.0.1:123456', 'tcp://127.0.0.1:-1', 'tcp://127.0.0.1:5567/', 'tcp://127.0.0.1:5567;tcp://x:1', 'tcp://::1:5567',
    'tcp://127.0.0.1:5567#a', ' tcp://127.0.0.1:5567', 'tcp://127.0.0.1:5567\n', 'tcp://user@host:5567',
  ])('rejects %j', (text) => {
    expect(() => parseNetGearAddress(text)).toThrow(coded('address-invalid'));
  });

  it('rejects options that have no meaning here', () => {
    expect(() => parseNetGearAddress('tcp://127.0.0.1:5567?id=1')).toThrow(coded('address-invalid'));
    expect(() => parseNetGearAddress('tcp://127.0.0.1:5567?patern=1', ['id'])).toThrow(coded('address-invalid'));
  });
});
