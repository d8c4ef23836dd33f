import { randomBytes } from 'node:crypto';
import type { NatsConnection } from '@nats-io/transport-node';
import { containFailure, runInBackground } from '../../shared/background.ts';
import { cleanText } from '../../shared/clean-text.ts';
import { errorText } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import type { SourceSink } from '../sources/source.ts';
import { sleep } from '../sources/sleep.ts';
import { itemsNow, ReturnQueue, type Waiting } from './return-queue.ts';
import { encodeBatch } from './return-wire.ts';
import { encodePart, MAX_PART_HEAD_BYTES, type SessionAnswer } from './session-wire.ts';

/** Interval of batches without changes, which keep the session alive. */
export const KEEP_ALIVE_MS = 400;

const ANSWER_TIMEOUT_MS = 500;
const RETRY_MS = 100;

interface MirrorSessionOptions {
  readonly connection: NatsConnection;
  readonly maxPayload: () => number;
  /** Subject of the owner's {@link SessionHost}. */
  readonly subject: string;
  readonly stream: string;
  /** Id of this gateway. */
  readonly from: string;
  readonly returns: SourceSink['returns'];
  /** Sequence of the newest frame that has arrived from this owner. */
  readonly newestFrame: () => number;
  readonly onAnswer: (answer: Extract<SessionAnswer, { ok: true }>) => void;
  /** Called when the owner cannot be reached or is not the owner, at intervals. */
  readonly onFailure: (reason: string) => void;
  readonly log: Logger;
}

/**
 * Requests the frames of a stream from its owner, and sends the owner the return data of this gateway's clients: in
 * batches, one at a time, each of which is repeated until it is answered. If the owner no longer knows the session, a
 * new one begins with all clients and their sticky values. A once-only value arrives once, or is
 * lost with the session.
 */
export class MirrorSession {
  readonly #options: MirrorSessionOptions;
  readonly #queue: ReturnQueue;
  readonly #closing = new AbortController();
  readonly #ended: Promise<void>;
  #id = '';
  #batch = 0;
  #wake: () => void = () => undefined;

  constructor(options: MirrorSessionOptions) {
    this.#options = options;
    this.#queue = new ReturnQueue(() => this.#wake());
    this.#restart();
    this.#ended = containFailure(this.#run(), (error) =>
      options.log.warn({ stream: options.stream }, `the session has failed: ${errorText(error)}`),
    );
  }

  /** Ends the session at the owner, if it can be reached. Resolves when no callback will be called any more. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#options.returns.unfollow(this.#queue);
    this.#wake();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await this.#send(this.#queue.take());
      if (!this.#queue.isEmpty || signal.aborted) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, KEEP_ALIVE_MS);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = () => undefined;
    }
    // Not awaited: the owner ends a silent session anyway.
    this.#batch += 1;
    runInBackground(this.#request([], true), () => undefined);
  }

  /** Sends a batch until it is answered, or the session has begun again. */
  async #send(waiting: readonly Waiting[]): Promise<void> {
    const { onAnswer, onFailure, log, stream } = this.#options;
    const { signal } = this.#closing;
    this.#batch += 1;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      let answer: SessionAnswer;
      try {
        answer = await this.#request(waiting, false);
      } catch (error) {
        if (signal.aborted) return;
        onFailure(errorText(error));
        await sleep(RETRY_MS, signal);
        continue;
      }
      if (signal.aborted) return;
      if (answer.ok) {
        for (const reason of answer.refused)
          log.warn({ stream }, `return data was refused by the gateway of the source: ${cleanText(reason)}`);
        onAnswer(answer);
        return;
      }
      if (answer.code === 'not-owner') onFailure('the gateway does not run the source any more');
      // Whether an earlier attempt has arrived is unknown, and no once-only value may arrive twice.
      const lost = attempt === 1 ? 0 : waiting.filter(({ item }) => item.kind === 'once').length;
      if (lost > 0)
        log.warn({ stream }, `${lost} once-only values were lost with the connection to the gateway of the source`);
      this.#restart(attempt === 1 ? waiting : []);
      await sleep(RETRY_MS, signal);
      return;
    }
  }

  #restart(unsent: readonly Waiting[] = []): void {
    const { returns } = this.#options;
    this.#id = randomBytes(9).toString('base64url');
    this.#batch = 0;
    returns.unfollow(this.#queue);
    this.#queue.restart(unsent);
    returns.follow(this.#queue);
    this.#queue.replayed();
  }

  async #request(waiting: readonly Waiting[], isLast: boolean): Promise<SessionAnswer> {
    const { connection, subject, stream, from, newestFrame, maxPayload } = this.#options;
    const bytes = encodeBatch({ wantsFrames: !isLast, newestFrame: newestFrame(), isLast, items: itemsNow(waiting) });
    const partBytes = maxPayload() - MAX_PART_HEAD_BYTES;
    const parts = Math.ceil(bytes.byteLength / partBytes);
    const encode = (part: number): Uint8Array =>
      encodePart(
        { stream, session: this.#id, from, batch: this.#batch, part, parts },
        bytes.subarray(part * partBytes, (part + 1) * partBytes),
      );
    for (let part = 0; part < parts - 1; part += 1) connection.publish(subject, encode(part));
    const answer = await connection.request(subject, encode(parts - 1), { timeout: ANSWER_TIMEOUT_MS });
    return answer.json<SessionAnswer>();
  }
}
