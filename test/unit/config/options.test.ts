import { describe, expect, it } from 'vitest';
import type { GatewayOptions } from '../../../gateway/config/gateway-options.ts';
import { listSources, type ResolvedGatewayOptions, resolveOptions } from '../../../gateway/config/options.ts';
import { DEFAULT_SHARED_LIMITS } from '../../../gateway/hub/shares.ts';
import { readCertificate } from '../../helpers/certificate.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

/** Resolves options like a gateway with one stream. */
const resolve = (options: GatewayOptions, serverPorts: readonly number[] | null = null): ResolvedGatewayOptions =>
  resolveOptions(options, [{ name: 'main', serverPorts }]);

describe('resolveOptions', () => {
  it('fills in the defaults', () => {
    expect(resolve({})).toEqual({
      cluster: null,
      failover: new Set(),
      defaultPolicy: { distribution: 'broadcast', start: 'any', onSourceEnd: 'wait', idle: 'card', control: 'shared' },
      host: '127.0.0.1',
      port: 8080,
      clients: [],
      virtualPorts: new Map([['main', [{ from: 6000, to: 6063 }]]]),
      tls: null,
      insecure: false,
      token: null,
      viewToken: null,
      publishToken: null,
      reservedPorts: new Map(),
      tokens: [],
      jwt: null,
      withoutRenditions: new Set(),
      viewerMaxBitrate: Infinity,
      allowOrigins: [],
      allowHosts: [],
      publicUrl: null,
      trustProxies: [],
      webhooks: [],
      logLevel: 'info',
      logFormat: 'text',
      auditLog: null,
      stateDir: null,
      metricsRight: 'view',
      policies: new Map([
        ['main', { distribution: 'broadcast', start: 'any', onSourceEnd: 'wait', idle: 'card', control: 'shared' }],
      ]),
      limits: DEFAULT_SHARED_LIMITS,
      onClose: 'keep',
    });
  });

  it('accepts all given options', () => {
    const options: GatewayOptions = {
      host: '0.0.0.0',
      port: 0,
      virtualPorts: '1-1',
      renditions: 'off',
      viewerMaxBitrate: 2e6,
      insecure: true,
      token: 's',
      viewToken: 'v',
      publishToken: 'c',
      reservedPorts: { 1: 'p' },
      allowOrigins: ['https://example.org', 'http://localhost:3000'],
      allowHosts: ['box.lan'],
      publicUrl: 'https://example.org/',
      trustProxies: ['loopback'],
      webhooks: { ops: { url: 'https://example.org/hook' } },
      logLevel: 'debug',
      logFormat: 'json',
      auditLog: '/var/log/audit.jsonl',
      stateDir: '/var/lib/gearway',
      metricsRight: 'public',
      idle: 'silence',
      control: 'exclusive',
      onClose: 'terminate',
      distribution: 'round-robin',
      start: 'all',
      onSourceEnd: 'terminate',
    };
    const { distribution, start, onSourceEnd, idle, control, renditions: _, ...rest } = options;
    expect(resolve(options)).toEqual({
      ...rest,
      webhooks: [
        { name: 'ops', url: 'https://example.org/hook', events: null, streams: null, secret: null, timeoutMs: 10_000 },
      ],
      cluster: null,
      failover: new Set(),
      defaultPolicy: { distribution, start, onSourceEnd, idle, control },
      policies: new Map([['main', { distribution, start, onSourceEnd, idle, control }]]),
      limits: DEFAULT_SHARED_LIMITS,
      virtualPorts: new Map([['main', [{ from: 1, to: 1 }]]]),
      tls: null,
      publicUrl: new URL('https://example.org/'),
      reservedPorts: new Map([[1, 'p']]),
      tokens: [],
      jwt: null,
      withoutRenditions: new Set(['main']),
      clients: [],
    });
  });

  it('reads the cluster, and the streams that other gateways may take over', () => {
    const { cluster, failover } = resolve({ cluster: 'nats://a', failover: ['main'] });
    expect([cluster?.servers, [...failover]]).toEqual([['a:4222'], ['main']]);
    expect(() => resolve({ failover: ['main'] })).toThrow(coded('option-invalid'));
    expect(() => resolve({ cluster: 'nats://a', failover: ['other'] })).toThrow(coded('option-invalid'));
    expect(() => resolve({ cluster: 'http://a' })).toThrow(coded('option-invalid'));
  });

  it('reads the option for exclusive control, including in a cluster', () => {
    const streams = { main: { source: 'push:', control: 'exclusive' } } as const;
    expect(resolve({ streams }).policies.get('main')).toMatchObject({ control: 'exclusive' });
    const { policies } = resolve({ cluster: 'nats://a', control: 'exclusive' });
    expect(policies.get('main')).toMatchObject({ control: 'exclusive' });
    expect(() => resolve({ control: 'mine' as 'shared' })).toThrow(coded('option-invalid'));
  });

  it('reads native clients, identified by their port unless another identity is given', () => {
    const { clients } = resolveOptions(
      {
        clients: [
          'tcp://127.0.0.1:5567',
          'tcp://10.0.0.2:5567?pattern=0&id=5568',
          'ipc:///tmp/feed:5569?pattern=2&fps=2.5&pace=off',
          'side=tcp://[::1]:5570?serverPort=5566',
        ],
      },
      [
        { name: 'main', serverPorts: null },
        { name: 'side', serverPorts: null },
      ],
    );
    const plain = {
      pattern: 'request-reply',
      security: null,
      serverPort: null,
      maxFramesPerSecond: Infinity,
      paced: true,
    };
    expect(clients).toEqual([
      { stream: null, address: { ...plain, endpoint: 'tcp://127.0.0.1:5567', port: 5567 } },
      { stream: null, address: { ...plain, endpoint: 'tcp://10.0.0.2:5567', pattern: 'pair', port: 5568 } },
      {
        stream: null,
        address: {
          ...plain,
          endpoint: 'ipc:///tmp/feed:5569',
          pattern: 'publish-subscribe',
          port: 5569,
          maxFramesPerSecond: 2.5,
          paced: false,
        },
      },
      { stream: 'side', address: { ...plain, endpoint: 'tcp://[::1]:5570', port: 5570, serverPort: '5566' } },
    ]);
  });

  it("reads a client's secure mode", () => {
    const [{ address } = { address: null }] = resolve({
      clients: ['tcp://127.0.0.1:5567?secure=2&keys=/tmp/nowhere'],
    }).clients;
    expect(address?.security).toEqual({
      mode: 'ironhouse',
      folder: '/tmp/nowhere/.vidgear/keys',
      allowedAddresses: null,
    });
  });

  it.each<[string, string, string]>([
    ['two ports', 'tcp://127.0.0.1:5567,5568', 'option-invalid'],
    ['no rate', 'tcp://127.0.0.1:5567?fps=fast', 'option-invalid'],
    ['a rate of zero', 'tcp://127.0.0.1:5567?fps=0', 'option-invalid'],
    ['another pace', 'tcp://127.0.0.1:5567?pace=slow', 'option-invalid'],
    ['an identity that is not a port', 'tcp://127.0.0.1:5567?id=a', 'option-invalid'],
    ['an invalid server port', 'tcp://127.0.0.1:5567?serverPort=0', 'option-invalid'],
    ['multi-servers mode with pattern 0', 'tcp://127.0.0.1:5567?pattern=0&serverPort=5566', 'modes-invalid'],
    ['an invalid secure mode', 'tcp://127.0.0.1:5567?secure=3', 'option-invalid'],
    ['keys without secure mode', 'tcp://127.0.0.1:5567?keys=/tmp', 'option-invalid'],
  ])('refuses a client with %s', (_name, client, code) => {
    expect(() => resolve({ clients: [client] })).toThrow(coded(code));
  });

  it('uses the ports of a server in multi-clients mode as virtual ports', () => {
    expect(resolve({ reservedPorts: { 5577: 'p' } }, [5567, 5577]).virtualPorts.get('main')).toEqual([
      { from: 5567, to: 5567 },
      { from: 5577, to: 5577 },
    ]);
    expect(() => resolve({ virtualPorts: '6000-6001' }, [5567, 5577])).toThrow(coded('option-invalid'));
    expect(() => resolve({ reservedPorts: { 5570: 'p' } }, [5567, 5577])).toThrow(coded('option-invalid'));
  });

  describe('of several streams', () => {
    const streams = [
      { name: 'door', serverPorts: null },
      { name: 'yard', serverPorts: null },
      { name: 'robot', serverPorts: [5567] },
    ];
    const range = (from: number, to = from): { from: number; to: number } => ({ from, to });

    it('assigns each stream its virtual ports: its own, the common ones, or those of its server', () => {
      const ports = (virtualPorts?: string | readonly string[]): unknown =>
        Object.fromEntries(resolveOptions(virtualPorts === undefined ? {} : { virtualPorts }, streams).virtualPorts);
      expect(ports()).toEqual({ door: [range(6000, 6063)], yard: [range(6000, 6063)], robot: [range(5567)] });
      expect(ports('7000-7001')).toEqual({
        door: [range(7000, 7001)],
        yard: [range(7000, 7001)],
        robot: [range(5567)],
      });
      expect(ports(['yard=8000', '7000,7002'])).toEqual({
        door: [range(7000), range(7002)],
        yard: [range(8000)],
        robot: [range(5567)],
      });
    });

    it.each<[string, GatewayOptions]>([
      ['ports of an unknown stream', { virtualPorts: 'garden=6000' }],
      ['ports twice for one stream', { virtualPorts: ['door=6000', 'door=6001'] }],
      ['ports twice for all', { virtualPorts: ['6000', '6001'] }],
      ['ports for a server in multi-clients mode', { virtualPorts: 'robot=6000' }],
      ['a client of an unknown stream', { clients: ['garden=tcp://127.0.0.1:5567'] }],
      ['renditions of an unknown stream', { renditions: 'garden=off' }],
      ['a reserved port that no stream has', { virtualPorts: 'door=7000', reservedPorts: { 7001: 'p' } }],
    ])('refuses %s', (_name, options) => {
      expect(() => resolveOptions(options, streams)).toThrow(coded('option-invalid'));
    });

    it('makes renditions of all streams except listed ones, or only of listed ones', () => {
      const without = (renditions: readonly string[]): string[] => [
        ...resolveOptions({ renditions }, streams).withoutRenditions,
      ];
      expect(without([])).toEqual([]);
      expect(without(['yard=off'])).toEqual(['yard']);
      expect(without(['off', 'yard=auto'])).toEqual(['door', 'robot']);
    });

    it('reserves a port of one of them', () => {
      expect(
        resolveOptions({ virtualPorts: 'door=7000', reservedPorts: { 7000: 'p' } }, streams).reservedPorts,
      ).toEqual(new Map([[7000, 'p']]));
    });
  });

  it('accepts streams with their own options, which take precedence over the common ones', () => {
    const options: GatewayOptions = {
      start: 'all',
      streams: {
        door: { source: 'push:', clients: ['tcp://127.0.0.1:5567'], virtualPorts: '7000' },
        robots: { source: 'push:', start: 'any', idle: 'silence', virtualPorts: '8000' },
      },
    };
    expect(listSources(options)).toEqual(['door=push:', 'robots=push:']);
    expect(listSources({ ...options, source: 'push:' })).toEqual(['push:', 'door=push:', 'robots=push:']);
    expect(listSources({})).toEqual(['push:']);
    // The options of a source that feeds several streams apply to all of them.
    const resolved = resolveOptions(options, [
      { name: 'door', entry: 'door', serverPorts: null },
      { name: 'robots-5566', entry: 'robots', serverPorts: null },
    ]);
    expect(resolved.policies).toMatchObject(
      new Map([
        ['door', { start: 'all', idle: 'card' }],
        ['robots-5566', { start: 'any', idle: 'silence' }],
      ]),
    );
    expect(resolved.virtualPorts).toEqual(
      new Map([
        ['door', [{ from: 7000, to: 7000 }]],
        ['robots-5566', [{ from: 8000, to: 8000 }]],
      ]),
    );
    expect(resolved.clients).toMatchObject([{ stream: 'door', address: { port: 5567 } }]);
  });

  it('accepts limits', () => {
    expect(resolve({ limits: { viewers: { total: 3 }, snapshots: { perAddress: 2 } } }).limits).toEqual({
      ...DEFAULT_SHARED_LIMITS,
      viewers: { inAll: 3, perAddress: 1024 },
      snapshots: { ...DEFAULT_SHARED_LIMITS.snapshots, perAddress: 2 },
    });
  });

  it('accepts a certificate with its key', () => {
    expect(resolve({ tls: readCertificate() }).tls).toEqual(readCertificate());
    for (const tls of [
      { cert: '', key: '' },
      { cert: 'no certificate', key: 'no key' },
      { cert: readCertificate().cert, key: '' },
    ])
      expect(() => resolve({ tls })).toThrow(coded('option-invalid'));
  });

  it.each(['127.0.0.1', '127.1.2.3', 'localhost', '::1'])('needs no token on %s', (host) => {
    expect(resolve({ host }).host).toBe(host);
  });

  it.each(['0.0.0.0', '::', '192.168.1.5', 'camera.local', '127.0.0.1.evil.example', '', '::ffff:127.0.0.1'])(
    'needs a token or insecure on %j',
    (host) => {
      expect(() => resolve({ host })).toThrow(coded('option-invalid'));
      expect(resolve({ host, token: 'secret' }).token).toBe('secret');
      expect(resolve({ host, insecure: true }).token).toBeNull();
    },
  );

  it('accepts ports from 0 to 65535', () => {
    expect(resolve({ port: 0 }).port).toBe(0);
    expect(resolve({ port: 65_535 }).port).toBe(65_535);
    for (const port of [-1, 65_536, 1.5, NaN]) expect(() => resolve({ port })).toThrow(coded('option-invalid'));
  });

  it.each<[string, GatewayOptions]>([
    ['a view token without a token', { viewToken: 'v' }],
    ['two tokens that are the same', { token: 's', viewToken: 's' }],
    ['a publish token that is the token', { token: 's', publishToken: 's' }],
    ['an empty publish token', { publishToken: '' }],
    ['renditions that are neither on nor off', { renditions: 'h264' }],
    ['a bit rate that is too low for a picture', { viewerMaxBitrate: 9999 }],
    ['a bit rate that is NaN', { viewerMaxBitrate: NaN }],
    ['a reserved port below the range', { reservedPorts: { 5999: 'p' } }],
    ['a reserved port above the range', { reservedPorts: { 6064: 'p' } }],
    ['a reserved port without a token', { reservedPorts: { 6000: '' } }],
    [
      "a native client's port that is reserved",
      { reservedPorts: { 6000: 'p' }, clients: ['tcp://127.0.0.1:5567?id=6000'] },
    ],
    ['one token for two ports', { reservedPorts: { 6000: 'p', 6001: 'p' } }],
  ])('refuses %s', (_name, options) => {
    expect(() => resolve(options)).toThrow(coded('option-invalid'));
  });

  it('accepts tokens of 1 to 512 printable characters', () => {
    expect(resolve({ token: '!' }).token).toBe('!');
    expect(resolve({ token: '~'.repeat(512) }).token).toHaveLength(512);
    for (const token of ['', 'a'.repeat(513), 'a b', 'é', 'a\n'])
      expect(() => resolve({ token })).toThrow(coded('option-invalid'));
  });

  it('accepts 1 to 4096 virtual ports', () => {
    expect(resolve({ virtualPorts: '6000-6000' }).virtualPorts.get('main')).toEqual([{ from: 6000, to: 6000 }]);
    expect(resolve({ virtualPorts: '1-4096' }).virtualPorts.get('main')).toEqual([{ from: 1, to: 4096 }]);
    expect(resolve({ virtualPorts: '65535-65535' }).virtualPorts.get('main')).toEqual([{ from: 65_535, to: 65_535 }]);
    expect(resolve({ virtualPorts: '6000' }).virtualPorts.get('main')).toEqual([{ from: 6000, to: 6000 }]);
    expect(resolve({ virtualPorts: '1-4095,5567' }).virtualPorts.get('main')).toEqual([
      { from: 1, to: 4095 },
      { from: 5567, to: 5567 },
    ]);
    for (const virtualPorts of [
      '',
      '6000,',
      '6001,6000',
      '6000-6010,6010',
      '1-4096,5000',
      '6000-',
      '-6000',
      '6001-6000',
      '0-10',
      '65535-65536',
      '1-4097',
      '6000-6063-7000',
      'a-b',
      ' 6000-6001',
      '6000-6001\n',
    ]) {
      expect(() => resolve({ virtualPorts }), virtualPorts).toThrow(coded('option-invalid'));
    }
  });

  it.each([
    'example.org',
    'https://example.org/',
    'https://example.org/page',
    '*',
    'null',
    '',
    'https://EXAMPLE.org',
    'https://example.org:443',
  ])('refuses the origin %j', (origin) => {
    expect(() => resolve({ allowOrigins: [origin] })).toThrow(coded('option-invalid'));
  });

  it.each([
    ['https://example.org', 'https://example.org/'],
    ['https://Example.org:443/cams', 'https://example.org/cams/'],
    ['http://box.lan:8080/a/b/', 'http://box.lan:8080/a/b/'],
    ['https://bücher.example/', 'https://xn--bcher-kva.example/'],
    ['https://[::1]:8443/', 'https://[::1]:8443/'],
  ])('accepts the public URL %s', (publicUrl, href) => {
    expect(resolve({ publicUrl }).publicUrl?.href).toBe(href);
  });

  it.each([
    '',
    'example.org',
    'ftp://example.org/',
    'https://',
    'https://user:secret@example.org/',
    'https://example.org/?a=b',
    'https://example.org/#a',
    '*',
  ])('refuses the public URL %j', (publicUrl) => {
    expect(() => resolve({ publicUrl })).toThrow(coded('option-invalid'));
  });

  it('accepts names with and without a port', () => {
    expect(resolve({ allowHosts: ['box.lan', 'Box.lan:8080', 'bücher.example', 'gearway'] }).allowHosts).toEqual([
      'box.lan',
      'box.lan:8080',
      'xn--bcher-kva.example',
      'gearway',
    ]);
  });

  it.each(['', '*', '*.example.org', 'http://box.lan', 'box.lan/', 'box.lan:', 'box.lan:65536', 'a b', '.', ':8080'])(
    'refuses the name %j',
    (name) => {
      expect(() => resolve({ allowHosts: [name] })).toThrow(coded('option-invalid'));
    },
  );

  it('accepts proxies by address, range or as loopback', () => {
    const trustProxies = ['127.0.0.1', '::1', '10.0.0.0/8', 'fd00::/8', '192.0.2.1/32', 'loopback'];
    expect(resolve({ trustProxies }).trustProxies).toEqual(trustProxies);
  });

  it.each([
    '',
    'nginx',
    '10.0.0.0/33',
    '10.0.0.0/0',
    '::/129',
    '10.0.0.0/',
    '10.0.0',
    '10.0.0.0/255.0.0.0',
    'true',
    '*',
    'loopback/8',
  ])('refuses the proxy %j', (proxy) => {
    expect(() => resolve({ trustProxies: [proxy] })).toThrow(coded('option-invalid'));
  });

  it('refuses other values', () => {
    expect(() => resolve({ idle: 'blank' as 'card' })).toThrow(coded('option-invalid'));
    expect(() => resolve({ onClose: 'ask' as 'keep' })).toThrow(coded('option-invalid'));
  });

  it.each([
    ['option-invalid', 'tcp://127.0.0.1:5567?id=0'],
    ['option-invalid', 'tcp://127.0.0.1:5567?id=65536'],
    ['option-invalid', 'tcp://127.0.0.1:5567?id=robot'],
    ['pattern-unknown', 'tcp://127.0.0.1:5567?pattern=3'],
    ['address-invalid', 'tcp://127.0.0.1:5567?name=robot'],
    ['address-invalid', '127.0.0.1:5567'],
    ['address-invalid', ''],
  ])('refuses with %s the client %j', (code, client) => {
    expect(() => resolve({ clients: [client] })).toThrow(coded(code));
  });
});
