import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { PythonPeer } from '../helpers/peers.ts';

describe('GET /api/streams/NAME/clients/ID/return', () => {
  it.each([
    ['the samples', true, 'image/png'],
    ['a JPEG', false, 'image/jpeg'],
  ])('returns the data of a real client: %s', async (_what, raw, type) => {
    const [port] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start('--client', `tcp://127.0.0.1:${port}`);
    await using _peer = new PythonPeer('client.py', {
      port,
      bidirectional: true,
      returns: { $array: 'uint8', shape: [48, 64, 3] },
      raw_returns: raw,
    });
    await gateway.statusWhere('return data', ({ clients }) => (clients[0]?.returnData ?? null) !== null);
    const response = await fetch(`${gateway.url}/api/streams/main/clients/native-${port}/return`);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, type]);
    const { data, info } = await sharp(await response.arrayBuffer())
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([64, 48]);
    // numpy.arange, blue first.
    if (raw) expect([...data.subarray(0, 6)]).toEqual([2, 1, 0, 5, 4, 3]);
  });
});
