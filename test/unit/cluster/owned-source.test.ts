import type { NatsConnection } from '@nats-io/transport-node';
import { describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import { MirrorSource } from '../../../gateway/cluster/mirror-source.ts';
import { RemoteNumbers } from '../../../gateway/cluster/remote-numbers.ts';
import { OwnedSource } from '../../../gateway/cluster/owned-source.ts';
import { parsePush, PushSource } from '../../../gateway/sources/push/push-source.ts';
import { parseSourceUrl } from '../../../gateway/config/source-url.ts';

describe('OwnedSource', () => {
  it('reports the problem of its own source while it owns the stream', () => {
    const connection = {} as NatsConnection;
    const mirror = new MirrorSource({
      stream: 'main',
      self: 'a',
      control: connection,
      frames: connection,
      maxPayload: () => 1 << 20,
      frameSubject: () => 'frames',
      sessionSubject: () => 'session',
      owner: () => null,
      numbers: new RemoteNumbers(() => 0),
      endSessions: () => undefined,
      exclusiveControl: () => null,
      log: SILENT_LOGGER,
    });
    const local = Object.assign(new PushSource(parsePush(parseSourceUrl('push:', ['takeOver', 'check']))), {
      problem: () => 'a server of another pattern tries to connect',
    });
    let isOwner = true;
    const source = new OwnedSource(local, mirror, () => isOwner);
    expect(source.problem()).toBe('a server of another pattern tries to connect');
    isOwner = false;
    expect(source.problem()).toBeNull();
  });
});
