import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { PythonPeer } from '../helpers/peers.ts';

describe('a server that misbehaves', () => {
  it('is answered and counted, and neither gateway nor a real client dies of it', async () => {
    const [source, a] = (await freePorts(2)) as [number, number];
    await using gateway = await GatewayProcess.start('--source', `netgear:tcp://127.0.0.1:${source}?pattern=1`, '--client', `tcp://127.0.0.1:${a}`);
    await using client = new PythonPeer('client.py', { port: a, bidirectional: true, height: 0, returns: 'alive' });
    await gateway.statusWhere('a live client', ({ clients }) => clients[0]?.state === 'live');
    await using server = new PythonPeer('fake_server.py', { port: source, parts: 1_000_000 });
    await server.waitFor('done', undefined, 90_000);
    const replies = server.events<{ to: string; text: string }>('reply');
    expect(replies).toHaveLength(18);
    for (const { text } of replies.slice(1, -2)) expect(JSON.parse(text)).toEqual({ port: String(source), return_type: 'dict', data: { [a]: 'alive' } });
    const status = await gateway.statusWhere('the good frame at the client', ({ clients }) => clients[0]?.delivered === 2 && clients[0].state === 'live');
    expect(status.counters).toMatchObject({ received: 2, rejected: 16 });
    expect(status.counters.lastRejections[0]).toMatch(/^parts-unexpected: message has 1000001 parts/);
    expect(client.isRunning).toBe(true);
  });
});
