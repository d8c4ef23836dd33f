/** Untrusted texts at every input: every output contains them as one printable line. */
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createGateway } from '../../../gateway/create-gateway.ts';
import type { GatewayEvent } from '../../../shared/status.ts';
import { encodeMessage, PROTOCOL } from '../../../shared/protocol.ts';
import { Publisher } from '../../helpers/publisher.ts';
import { Viewer } from '../../helpers/viewer.ts';

/** Characters that move a cursor, forge a line, reverse text, are invisible, or are not text. */
const NASTY: readonly string[] = [
  '\r\n2026-11-28T00:00:00.000Z forged',
  '\u001B[2J\u001B]0;title\u0007',
  '\0',
  '\u0085\u009B31m',
  '\u202Egpj.exe',
  '\u2066\u2069\u200F',
  '\u200B\uFEFF\u00AD',
  '\u2028\u2029',
  '\u3164',
];

const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u3164]/u;

/** All texts within a value. */
function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => [key, ...textsIn(each)]);
}

describe('untrusted texts', () => {
  it.each(NASTY.map((nasty) => [nasty]))('%j does not appear in any output', async (nasty) => {
    const log: string[] = [];
    await using gateway = await createGateway({
      port: 0,
      source: ['main=push:', 'still=push:'],
      log: (line) => log.push(line),
    });
    const { url } = await gateway.listen();
    const name = `n${nasty}x`;
    const part = encodeURIComponent(name);
    const answers: unknown[] = [];
    const authorization = `Bearer ${gateway.administratorKey}`;

    await using viewer = await Viewer.connect(url, 'still');
    answers.push(await viewer.hello({ name }));
    await using publisher = await Publisher.connect(url);
    await publisher.hello({ name });
    for (const [method, path, body] of [
      ['GET', `/api/streams/${part}`],
      ['GET', `/${part}`],
      ['GET', `/streams/${part}/mjpeg`],
      ['GET', `/streams/${part}/snapshot.jpg`],
      ['GET', `/streams/still/mjpeg?fps=${part}`],
      ['GET', `/streams/still/snapshot.jpg?width=${part}`],
      ['GET', `/api/streams/still/clients/${part}/return`],
      ['GET', `/api/streams/${part}/clients/a/return`],
      ['DELETE', `/api/streams/still/clients/${part}`],
      ['DELETE', `/api/streams/${part}/clients/a`],
      ['POST', `/api/streams/still/clients`, JSON.stringify({ address: name })],
      ['POST', `/api/streams/still/clients`, JSON.stringify({ address: `tcp://127.0.0.1:5567?${part}=1` })],
      ['POST', `/api/streams/${part}/clients`, '{}'],
      ['POST', '/api/streams/still/clients', name],
      ['POST', `/streams/${part}/frames`, 'x'],
      ['POST', `/streams/main/frames?publisher=${part}`, 'x'],
      ['POST', `/streams/main/frames?takeOver=${part}`, 'x'],
    ] as const) {
      const response = await fetch(new URL(path, url), {
        method,
        headers: {
          authorization,
          ...(body === undefined
            ? {}
            : { 'content-type': path.startsWith('/api') ? 'application/json' : 'image/jpeg' }),
        },
        ...(body === undefined ? {} : { body }),
      });
      answers.push(await response.json().catch(() => null), response.statusText);
    }
    const unknown = new WebSocket(`${url.replace('http', 'ws')}streams/${part}/ws`, PROTOCOL);
    unknown.on('open', () => unknown.send(encodeMessage({ type: 'hello', name })));
    answers.push(await new Promise((resolve) => unknown.on('close', (_code, reason) => resolve(String(reason)))));
    const [client] = gateway.streams.get('still')?.clients ?? [];
    expect(client?.address).toMatch(/^n .*x \(/);
    answers.push(
      await (
        await fetch(new URL(`/api/streams/still/clients/${client?.id}?reason=${part}`, url), {
          method: 'DELETE',
          headers: { authorization },
        })
      ).json(),
    );
    answers.push((await viewer.closed).reason);
    answers.push([...gateway.streams.values()].map((stream) => stream.status()));
    publisher.socket.close();
    await publisher.closed;

    const events = gateway.events();
    // The event of the disconnected publisher is the last one.
    for (let last = false; !last;) {
      const { value } = (await events.next()) as { value: GatewayEvent };
      answers.push(value);
      last = value.stream === 'main' && value.kind === 'disconnect';
    }
    for (const text of [...textsIn(answers), ...log]) expect(text).not.toMatch(UNSAFE);
    expect(log.some((line) => line.includes('n '))).toBe(true);
  });
});
