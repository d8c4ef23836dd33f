import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { describe, expect, it } from 'vitest';
import { FrameImporter } from '../../../gateway/cluster/frame-importer.ts';
import { SOURCE_FRAMES } from '../../../gateway/cluster/frame-wire.ts';

describe('FrameImporter', () => {
  it('reports a refused subscription, which has no message', () => {
    const callbacks: ((error: Error | null, message: Msg) => void)[] = [];
    const connection = {
      isClosed: () => false,
      subscribe: (
        _subject: string,
        { callback }: { readonly callback: (error: Error | null, message: Msg) => void },
      ) => {
        callbacks.push(callback);
        return { unsubscribe: () => undefined };
      },
    } as unknown as NatsConnection;
    const errors: unknown[] = [];
    const importer = new FrameImporter({
      kind: SOURCE_FRAMES,
      connection,
      subject: 'frames',
      onFrame: () => expect.fail('no frame'),
      onError: (error) => errors.push(error),
    });
    const refused = new Error('Permissions Violation for Subscription to "frames.*"');
    callbacks[0]?.(refused, {} as Msg);
    expect(errors).toEqual([refused]);
    importer.close();
  });
});
