import { describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import { parseConfig } from '../../../gateway/config/config-file.ts';
import type { GatewayOptions } from '../../../gateway/config/gateway-options.ts';
import { listSources, resolveOptions } from '../../../gateway/config/options.ts';
import { nameStreams, readStreamSettings } from '../../../gateway/config/stream-settings.ts';
import { createSources } from '../../../gateway/create-sources.ts';
import { formats } from '../../helpers/config.ts';

describe('readStreamSettings', () => {
  it('reads all options of a stream', async () => {
    const settings = {
      source: 'test-pattern:?size=160x120',
      clients: ['tcp://127.0.0.1:5567?pattern=1'],
      virtualPorts: '7000',
      start: 'all',
      distribution: 'round-robin',
      onSourceEnd: 'terminate',
      idle: 'silence',
      renditions: 'off',
      control: 'exclusive',
    };
    expect(await readStreamSettings('door', settings, formats)).toEqual(settings);
    expect(await readStreamSettings('7', { source: 'push:', virtualPorts: 7000 }, formats)).toEqual({
      source: 'push:',
      virtualPorts: '7000',
    });
  });

  it('replaces no references', async () => {
    const source = 'image:/srv/${HOME}/$${x}${file:/etc/passwd}.jpg';
    expect(await readStreamSettings('door', { source }, formats)).toEqual({ source });
  });

  it.each<[string, string, object]>([
    ['an unknown key', 'door', { source: 'push:', clinets: [] }],
    ['no source', 'door', { start: 'all' }],
    ['an unknown source', 'door', { source: 'ftp://camera' }],
    ['a source that is a number', 'door', { source: 7 }],
    ['an invalid word', 'door', { source: 'push:', start: 'al' }],
    ['ports in the wrong order', 'door', { source: 'push:', virtualPorts: '7-6' }],
    ['a client that names a stream', 'door', { source: 'push:', clients: ['yard=tcp://127.0.0.1:1'] }],
    ['a list instead of a text', 'door', { source: ['push:'] }],
    ['a name with a space', 'front door', { source: 'push:' }],
    ['null', 'door', { source: null }],
  ])('refuses %s with the message of check-config', async (_what, name, value) => {
    const text = JSON.stringify({ streams: { [name]: value } });
    const { problems } = await parseConfig(Buffer.from(text), formats, { variables: {}, folder: '.' });
    expect(problems).toHaveLength(1);
    await expect(readStreamSettings(name, value, formats)).rejects.toMatchObject({
      code: 'config-invalid',
      message: problems[0]?.message,
    });
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'push:'],
    ['a list', [{ source: 'push:' }]],
    ['nested lists', { source: 'push:', clients: [[['tcp://127.0.0.1:1']]] }],
    ['very deep lists', { source: JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`) }],
  ])('refuses %s', async (_what, value) => {
    await expect(readStreamSettings('door', value, formats)).rejects.toMatchObject({ code: 'config-invalid' });
  });
});

describe('nameStreams', () => {
  const name = (options: GatewayOptions): GatewayOptions =>
    nameStreams(options, createSources(listSources(options), SILENT_LOGGER));
  /** The resolved options, which determine the behaviour of the gateway. */
  const resolve = (options: GatewayOptions): unknown => {
    const sources = createSources(listSources(options), SILENT_LOGGER);
    const { clients, virtualPorts, policies, withoutRenditions } = resolveOptions(
      options,
      sources.map((source) => ({ ...source, serverPorts: source.source.serverPorts })),
    );
    const first = sources[0]?.name;
    return {
      sources: sources.map((source) => [source.name, source.url]),
      clients: clients.map(({ stream, address }) => `${stream ?? first} ${address.endpoint}`).sort(),
      virtualPorts,
      policies,
      withoutRenditions,
    };
  };

  it('moves options that are listed elsewhere to their stream', () => {
    expect(
      name({
        port: 1,
        source: ['door=push:', 'yard=test-pattern:'],
        clients: ['tcp://127.0.0.1:1', 'yard=tcp://127.0.0.1:2'],
        virtualPorts: ['6000-6001', 'yard=7000'],
        renditions: ['door=off'],
      }),
    ).toEqual({
      port: 1,
      streams: {
        door: { source: 'push:', clients: ['tcp://127.0.0.1:1'], renditions: 'off' },
        yard: { source: 'test-pattern:', clients: ['tcp://127.0.0.1:2'], virtualPorts: '7000' },
      },
      virtualPorts: ['6000-6001'],
    });
  });

  const MULTI = 'netgear:tcp://127.0.0.1:5566,5567?pattern=1&multiserver=true';
  it.each<[string, GatewayOptions]>([
    ['nothing', {}],
    ['one source without a name', { source: 'test-pattern:', clients: ['tcp://127.0.0.1:1'], virtualPorts: '7000' }],
    [
      'a source of several streams',
      { source: `cams=${MULTI}`, clients: ['cams-5567=tcp://127.0.0.1:1', 'tcp://127.0.0.1:2'] },
    ],
    [
      'a source of several streams without a name',
      { source: [MULTI, 'door=push:'], clients: ['tcp://127.0.0.1:1', 'door=tcp://127.0.0.1:2'] },
    ],
    [
      'ports of the streams of one source',
      { source: [`cams=${MULTI}`], virtualPorts: ['cams=7000', 'cams-5567=7001'] },
    ],
    [
      'both forms',
      {
        source: 'door=push:',
        streams: { yard: { source: 'push:', clients: ['tcp://127.0.0.1:2'], start: 'all', renditions: 'auto' } },
        clients: ['yard=tcp://127.0.0.1:3', 'tcp://127.0.0.1:4'],
        renditions: 'off',
        idle: 'silence',
        control: 'exclusive',
      },
    ],
  ])('does not change the meaning of %s', (_what, options) => {
    expect(resolve(name(options))).toEqual(resolve(options));
  });
});
