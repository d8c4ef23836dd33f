import { randomBytes } from 'node:crypto';
import type { NatsConnection } from '@nats-io/transport-node';
import { containFailure, runInBackground } from '../../shared/background.ts';
import { cleanText } from '../../shared/clean-text.ts';
import { errorText } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import type { SourceSink } from '../sources/source.ts';
import { sleep } from '../sources/sleep.ts';
import type { ClusterControl } from './cluster-control.ts';
import type { ControlItem } from './control-wire.ts';
import { RareWarnings } from './rare-warnings.ts';
import { itemsNow, ReturnQueue, type Waiting } from './return-queue.ts';
import { requestFailure } from './request-errors.ts';
import { encodeBatch } from './return-wire.ts';
import {
  decodeSessionAnswer,
  encodePart,
  MAX_PART_HEAD_BYTES,
  SESSION_TIMEOUT_MS,
  type SessionAnswer,
} from './session-wire.ts';

/** Interval between batches without changes, which keep the session alive. */
export const KEEP_ALIVE_MS = 400;

/**
 * The same interval for a stream with exclusive control. It is shorter, so that all viewers soon see changes of
 * control.
 */
const CONTROL_KEEP_ALIVE_MS = 200;

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
  /** null if all viewers may return data. */
  readonly control: ClusterControl | null;
  /** Whether this gateway needs the pictures of the frames. */
  readonly needsPictures: () => boolean;
  /** Sequence of the newest frame, or head, that has arrived from this owner. */
  readonly newestFrame: () => number;
  readonly onAnswer: (answer: Extract<SessionAnswer, { ok: true }>) => void;
  /** Called when the owner cannot be reached or is not the owner, at intervals. */
  readonly onFailure: (reason: string) => void;
  readonly log: Logger;
}

/** The content of a batch. */
interface Content {
  readonly control: readonly ControlItem[];
  readonly waiting: readonly Waiting[];
}

const NO_CONTENT: Content = { control: [], waiting: [] };

/**
 * Requests the frames of a stream from its owner, and sends the owner the return data of this gateway's clients and
 * their control requests: in batches, one at a time. Each batch is repeated until it is answered. If the owner no
 * longer knows the session, a new one begins with all clients and their sticky values. A once-only value arrives once,
 * or is lost with the session.
 */
export class MirrorSession {
  readonly #options: MirrorSessionOptions;
  readonly #queue: ReturnQueue;
  /** For values that the owner refuses: a viewer can return any number of them. */
  readonly #refusals: RareWarnings;
  readonly #closing = new AbortController();
  readonly #ended: Promise<void>;
  #id = '';
  #epoch = 0;
  #batch = 0;
  /** Number of the last batch of the session that was answered; 0 if none was. */
  #answeredBatch = 0;
  #wake: () => void = () => undefined;
  #isHurried = false;

  constructor(options: MirrorSessionOptions) {
    this.#options = options;
    this.#queue = new ReturnQueue(() => this.#wake());
    this.#refusals = new RareWarnings(options.log);
    this.#restart();
    this.#ended = containFailure(this.#run(), (error) =>
      options.log.warn({ stream: options.stream }, `the session has failed: ${errorText(error)}`),
    );
  }

  /** Sends a batch without waiting for the next interval. */
  hurry(): void {
    this.#isHurried = true;
    this.#wake();
  }

  /** Ends the session at the owner, if it can be reached. Resolves when no further callback will be called. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#options.returns.unfollow(this.#queue);
    this.#options.control?.end();
    this.#wake();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const { control } = this.#options;
    while (!signal.aborted) {
      this.#isHurried = false;
      await this.#send({ control: control?.take() ?? [], waiting: this.#queue.take() });
      // A new session begins immediately: the owner sends no frames without one.
      const isWaiting = this.#isHurried || !this.#queue.isEmpty || control?.isPending === true;
      if (this.#answeredBatch === 0 || isWaiting || signal.aborted) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, control === null ? KEEP_ALIVE_MS : CONTROL_KEEP_ALIVE_MS);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = () => undefined;
    }
    this.#end();
  }

  /** Not awaited: the owner ends a session without batches anyway. */
  #end(): void {
    this.#batch += 1;
    runInBackground(this.#request(NO_CONTENT, true), () => undefined);
  }

  /** Sends a batch until it is answered, or the session has been restarted. */
  async #send(content: Content): Promise<void> {
    const { onAnswer, onFailure, control, log, stream } = this.#options;
    const { signal } = this.#closing;
    this.#batch += 1;
    let isLost = false;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      let answer: SessionAnswer;
      try {
        answer = await this.#request(content, false);
      } catch (error) {
        if (signal.aborted) return;
        onFailure(requestFailure(error));
        if (control !== null && attempt * ANSWER_TIMEOUT_MS >= SESSION_TIMEOUT_MS && !isLost) {
          isLost = true;
          control.lost('the gateway of the source cannot be reached');
        }
        await sleep(RETRY_MS, signal);
        continue;
      }
      if (signal.aborted) return;
      if (answer.ok) {
        this.#answeredBatch = this.#batch;
        for (const reason of answer.refused)
          this.#refusals.warn(`return data was refused by the gateway of the source: ${cleanText(reason)}`, { stream });
        onAnswer(answer);
        // No viewer of this gateway has control any more, but the owner may still regard one of them as the holder.
        if (isLost) {
          this.#end();
          this.#restart();
        } else if (answer.control !== null) control?.answered(answer.control);
        return;
      }
      if (answer.code === 'not-owner') onFailure('the gateway no longer runs the source');
      // It is unknown whether an earlier attempt has arrived, and a once-only value must not arrive twice.
      const lost = attempt === 1 ? 0 : content.waiting.filter(({ item }) => item.kind === 'once').length;
      if (lost > 0)
        log.warn({ stream }, `${lost} once-only values were lost with the connection to the gateway of the source`);
      this.#restart(attempt === 1 ? content.waiting : []);
      await sleep(RETRY_MS, signal);
      return;
    }
  }

  #restart(unsent: readonly Waiting[] = []): void {
    const { returns } = this.#options;
    this.#id = randomBytes(9).toString('base64url');
    this.#epoch = nextEpoch(this.#epoch);
    this.#batch = 0;
    this.#answeredBatch = 0;
    returns.unfollow(this.#queue);
    this.#queue.restart(unsent);
    returns.follow(this.#queue);
    this.#queue.replayed();
    this.#options.control?.begin(() => this.#wake());
  }

  async #request({ control, waiting }: Content, isLast: boolean): Promise<SessionAnswer> {
    const { connection, subject, stream, from, needsPictures, newestFrame, maxPayload } = this.#options;
    const bytes = encodeBatch({
      needsPictures: needsPictures(),
      newestFrame: newestFrame(),
      isLast,
      control,
      items: itemsNow(waiting),
    });
    const partBytes = maxPayload() - MAX_PART_HEAD_BYTES;
    const parts = Math.ceil(bytes.byteLength / partBytes);
    const encode = (part: number): Uint8Array =>
      encodePart(
        { stream, session: this.#id, epoch: this.#epoch, from, batch: this.#batch, part, parts },
        bytes.subarray(part * partBytes, (part + 1) * partBytes),
      );
    for (let part = 0; part < parts - 1; part += 1) connection.publish(subject, encode(part));
    const answer = await connection.request(subject, encode(parts - 1), { timeout: ANSWER_TIMEOUT_MS });
    return decodeSessionAnswer(answer.json());
  }
}

/** The time in microseconds, by a monotonic clock, so that later sessions of a stream have greater epochs. */
function nextEpoch(previous: number): number {
  return Math.max(previous + 1, Math.round(performance.now() * 1000));
}
