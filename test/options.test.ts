import { describe, expect, it } from 'vitest';
import { type GatewayOptions, resolveOptions } from '../gateway/options.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

describe('resolveOptions', () => {
  it('fills in the defaults', () => {
    expect(resolveOptions({})).toEqual({
      host: '127.0.0.1', port: 8080, source: 'push:', clients: [], virtualPorts: [{ from: 6000, to: 6063 }], token: null, viewToken: null, reservedPorts: new Map(), allowOrigins: [], idle: 'card', onClose: 'keep', log: expect.any(Function) as unknown,
    });
    expect(() => resolveOptions({}).log('nowhere')).not.toThrow();
  });

  it('takes what is given', () => {
    const log = (): void => undefined;
    const options: GatewayOptions = {
      host: '0.0.0.0', port: 0, source: 'test-pattern:', virtualPorts: '1-1', token: 's', viewToken: 'v', reservedPorts: { 1: 'p' }, allowOrigins: ['https://example.org', 'http://localhost:3000'], idle: 'silence', onClose: 'terminate', log,
    };
    expect(resolveOptions(options)).toEqual({ ...options, virtualPorts: [{ from: 1, to: 1 }], reservedPorts: new Map([[1, 'p']]), clients: [] });
  });

  it('reads native clients: the port is the identity, unless there is another', () => {
    const { clients } = resolveOptions({ clients: ['tcp://127.0.0.1:5567', 'tcp://10.0.0.2:5567?pattern=0&id=5568', 'tcp://[::1]:5569?id=5570'] });
    expect(clients).toEqual([
      { endpoint: 'tcp://127.0.0.1:5567', pattern: 'request-reply', port: 5567 },
      { endpoint: 'tcp://10.0.0.2:5567', pattern: 'pair', port: 5568 },
      { endpoint: 'tcp://[::1]:5569', pattern: 'request-reply', port: 5570 },
    ]);
  });

  it.each(['127.0.0.1', '127.1.2.3', 'localhost', '::1'])('needs no token on %s', (host) => {
    expect(resolveOptions({ host }).host).toBe(host);
  });

  it.each(['0.0.0.0', '::', '192.168.1.5', 'camera.local', '127.0.0.1.evil.example', '', '::ffff:127.0.0.1'])('needs a token or insecure on %j', (host) => {
    expect(() => resolveOptions({ host })).toThrow(coded('option-invalid'));
    expect(resolveOptions({ host, token: 'secret' }).token).toBe('secret');
    expect(resolveOptions({ host, insecure: true }).token).toBeNull();
  });

  it('takes ports from 0 to 65535', () => {
    expect(resolveOptions({ port: 0 }).port).toBe(0);
    expect(resolveOptions({ port: 65_535 }).port).toBe(65_535);
    for (const port of [-1, 65_536, 1.5, NaN]) expect(() => resolveOptions({ port })).toThrow(coded('option-invalid'));
  });

  it.each<[string, GatewayOptions]>([
    ['a view token without a token', { viewToken: 'v' }],
    ['two tokens that are the same', { token: 's', viewToken: 's' }],
    ['a reserved port below the range', { reservedPorts: { 5999: 'p' } }],
    ['a reserved port above the range', { reservedPorts: { 6064: 'p' } }],
    ['a reserved port without a token', { reservedPorts: { 6000: '' } }],
    ["a native client's port that is reserved", { reservedPorts: { 6000: 'p' }, clients: ['tcp://127.0.0.1:5567?id=6000'] }],
    ['one token for two ports', { reservedPorts: { 6000: 'p', 6001: 'p' } }],
  ])('refuses %s', (_name, options) => {
    expect(() => resolveOptions(options)).toThrow(coded('option-invalid'));
  });

  it('takes tokens of 1 to 512 printable characters', () => {
    expect(resolveOptions({ token: '!' }).token).toBe('!');
    expect(resolveOptions({ token: '~'.repeat(512) }).token).toHaveLength(512);
    for (const token of ['', 'a'.repeat(513), 'a b', 'é', 'a\n']) expect(() => resolveOptions({ token })).toThrow(coded('option-invalid'));
  });

  it('takes 1 to 4096 virtual ports', () => {
    expect(resolveOptions({ virtualPorts: '6000-6000' }).virtualPorts).toEqual([{ from: 6000, to: 6000 }]);
    expect(resolveOptions({ virtualPorts: '1-4096' }).virtualPorts).toEqual([{ from: 1, to: 4096 }]);
    expect(resolveOptions({ virtualPorts: '65535-65535' }).virtualPorts).toEqual([{ from: 65_535, to: 65_535 }]);
    for (const virtualPorts of ['', '6000', '6000-', '-6000', '6001-6000', '0-10', '65535-65536', '1-4097', '6000-6063-7000', 'a-b', ' 6000-6001', '6000-6001\n']) {
      expect(() => resolveOptions({ virtualPorts }), virtualPorts).toThrow(coded('option-invalid'));
    }
  });

  it.each(['example.org', 'https://example.org/', 'https://example.org/page', '*', 'null', '', 'https://EXAMPLE.org', 'https://example.org:443'])('refuses the origin %j', (origin) => {
    expect(() => resolveOptions({ allowOrigins: [origin] })).toThrow(coded('option-invalid'));
  });

  it('refuses other words', () => {
    expect(() => resolveOptions({ idle: 'blank' as 'card' })).toThrow(coded('option-invalid'));
    expect(() => resolveOptions({ onClose: 'ask' as 'keep' })).toThrow(coded('option-invalid'));
  });

  it.each([
    ['option-invalid', 'tcp://127.0.0.1:5567?pattern=2'],
    ['option-invalid', 'tcp://127.0.0.1:5567?id=0'],
    ['option-invalid', 'tcp://127.0.0.1:5567?id=65536'],
    ['option-invalid', 'tcp://127.0.0.1:5567?id=robot'],
    ['pattern-unknown', 'tcp://127.0.0.1:5567?pattern=3'],
    ['address-invalid', 'tcp://127.0.0.1:5567?name=robot'],
    ['address-invalid', '127.0.0.1:5567'],
    ['address-invalid', ''],
  ])('refuses with %s the client %j', (code, client) => {
    expect(() => resolveOptions({ clients: [client] })).toThrow(coded(code));
  });
});
