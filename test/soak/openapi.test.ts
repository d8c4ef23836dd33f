import { describe, expect, it } from 'vitest';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { PythonPeer } from '../helpers/peers.ts';

/** Endless responses, which are tested elsewhere. */
const EXCLUDED = ['/streams/{name}/mjpeg', '/api/events'];

describe('the API as its OpenAPI document describes it', () => {
  it('is a valid document, and generated requests get the described responses, with no 5xx except 503', async () => {
    await using gateway = await GatewayProcess.start(
      '--source',
      'main=test-pattern:?size=320x180',
      '--source',
      'door=push:',
    );
    const options = {
      url: `${await gateway.url}/`,
      token: await gateway.key,
      examples: 10,
      names: ['main', 'door', 'none'],
      excluded: EXCLUDED,
    };
    await using fuzzer = new PythonPeer('fuzz_api.py', options);
    const { operations } = await fuzzer.waitFor<{ operations: number }>('valid', undefined, 60_000);
    expect(operations).toBeGreaterThan(12);
    const { statuses } = await fuzzer.waitFor<{ statuses: Record<string, number> }>('done', undefined, 140_000);
    expect(fuzzer.events('failure')).toEqual([]);
    // Valid requests were accepted, and invalid ones refused.
    for (const status of ['200', '400', '404'])
      expect(statuses[status], `${status} in ${JSON.stringify(statuses)}`).toBeGreaterThan(0);
    expect(gateway.isRunning).toBe(true);
  });
});
