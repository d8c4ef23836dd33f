import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { errorText } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import type { Stream } from '../hub/stream.ts';
import type { FrameExporter } from './frame-exporter.ts';
import { decodeBatch, type ReturnItem } from './return-wire.ts';
import { decodePart, type PartHead, type SessionAnswer } from './session-wire.ts';

/** A session without a batch for this long has ended, and the return data of its clients with it. */
export const SESSION_TIMEOUT_MS = 1500;

const CHECK_INTERVAL_MS = 100;

/** If no frame was published for this long, and a gateway has missed the last one, it is published again. */
const REPEAT_AFTER_MS = 300;

/** Maximum size of a batch. */
const MAX_BATCH_BYTES = 64 << 20;

/** Maximum number of sessions: one per stream and gateway that shows it. */
const MAX_SESSIONS = 4096;

/** A stream whose source this gateway may own. */
export interface HostedStream {
  readonly stream: Stream;
  readonly exporter: FrameExporter;
  readonly isOwner: () => boolean;
}

interface SessionHostOptions {
  readonly connection: NatsConnection;
  readonly subject: string;
  readonly streams: ReadonlyMap<string, HostedStream>;
  readonly log: Logger;
}

/** Receives the sessions of the other gateways: their interest in frames, and the return data of their clients. */
export class SessionHost {
  readonly #options: SessionHostOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #subscription: Subscription;
  readonly #timer: NodeJS.Timeout;

  constructor(options: SessionHostOptions) {
    this.#options = options;
    this.#subscription = options.connection.subscribe(options.subject, {
      callback: (error, message) => {
        // The gateway lacks the right to subscribe. There is no message in this case.
        if (error === null) this.#received(message);
        else options.log.error({}, `this gateway cannot serve its streams to the others: ${errorText(error)}`);
      },
    });
    this.#timer = setInterval(() => this.#check(), CHECK_INTERVAL_MS);
  }

  /** Ends the sessions of a stream that is closed. If it is created again, the other gateways begin new ones. */
  endSessions(stream: Stream): void {
    for (const [id, { hosted }] of this.#sessions) if (hosted.stream === stream) this.#end(id);
  }

  /** Ends all sessions. */
  close(): void {
    clearInterval(this.#timer);
    this.#subscription.unsubscribe();
    for (const id of this.#sessions.keys()) this.#end(id);
  }

  #check(): void {
    const now = performance.now();
    for (const [id, { heardAtMs, hosted }] of this.#sessions)
      if (now - heardAtMs > SESSION_TIMEOUT_MS || !hosted.isOwner()) this.#end(id);
  }

  #end(id: string): void {
    this.#sessions.get(id)?.end();
    this.#sessions.delete(id);
  }

  #received(message: Msg): void {
    let part: ReturnType<typeof decodePart>;
    let answer: SessionAnswer | null;
    try {
      part = decodePart(message.data);
      answer = this.#accept(part.head, part.bytes);
    } catch (error) {
      this.#options.log.warn({}, errorText(error));
      answer = { ok: false, code: 'restart' };
    }
    if (answer !== null && message.reply !== undefined && message.reply !== '') message.respond(JSON.stringify(answer));
  }

  /** @returns null if more parts of the batch follow. */
  #accept(head: PartHead, bytes: Uint8Array): SessionAnswer | null {
    const hosted = this.#options.streams.get(head.stream);
    if (hosted === undefined || !hosted.isOwner()) return { ok: false, code: 'not-owner' };
    let session = this.#sessions.get(head.session);
    if (session === undefined) {
      if (head.batch !== 1 || this.#sessions.size >= MAX_SESSIONS) return { ok: false, code: 'restart' };
      session = new Session(hosted);
      this.#sessions.set(head.session, session);
    }
    const answer = session.part(head, bytes);
    if (session.isLast || (answer !== null && !answer.ok)) this.#end(head.session);
    return answer;
  }
}

/** Session of one stream at one other gateway. */
class Session {
  readonly hosted: HostedStream;
  heardAtMs = performance.now();
  isLast = false;
  readonly #ports = new Set<number>();
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #answered = 0;
  #answer: SessionAnswer | null = null;

  constructor(hosted: HostedStream) {
    this.hosted = hosted;
  }

  part({ batch, part, parts }: PartHead, bytes: Uint8Array): SessionAnswer | null {
    this.heardAtMs = performance.now();
    const isComplete = part === parts - 1;
    // Repeated, because our answer was late.
    if (batch === this.#answered) return isComplete ? this.#answer : null;
    if (batch !== this.#answered + 1) return { ok: false, code: 'restart' };
    if (part === 0) this.#forgetParts();
    if (parts > 1 && part !== this.#parts.length) return isComplete ? { ok: false, code: 'restart' } : null;
    if (parts > 1) {
      this.#partBytes += bytes.byteLength;
      if (this.#partBytes > MAX_BATCH_BYTES) return { ok: false, code: 'restart' };
      this.#parts.push(Uint8Array.from(bytes));
    }
    if (!isComplete) return null;
    const whole = parts === 1 ? bytes : Buffer.concat(this.#parts);
    this.#forgetParts();
    this.#answer = this.#process(whole);
    this.#answered = batch;
    return this.#answer;
  }

  #forgetParts(): void {
    this.#parts = [];
    this.#partBytes = 0;
  }

  /** Ends the return data of its clients, and its interest in frames. */
  end(): void {
    const { stream, exporter } = this.hosted;
    exporter.unwant(this);
    for (const port of this.#ports) stream.returns.leave(port, this);
    this.#ports.clear();
  }

  #process(bytes: Uint8Array): SessionAnswer {
    const { stream, exporter } = this.hosted;
    const { wantsFrames, newestFrame, isLast, items } = decodeBatch(bytes);
    this.isLast = isLast;
    const refused: string[] = [];
    for (const item of items) {
      try {
        this.#apply(item);
      } catch (error) {
        stream.returns.countRejected();
        refused.push(`port ${item.port}: ${errorText(error)}`);
      }
    }
    if (wantsFrames) exporter.want(this);
    else exporter.unwant(this);
    const newest = stream.latest?.sequence ?? 0;
    if (wantsFrames && newest > newestFrame && exporter.silenceMs > REPEAT_AFTER_MS) exporter.repeat();
    return { ok: true, state: stream.state, reason: stream.reason, newestFrame: newest, refused };
  }

  #apply(item: ReturnItem): void {
    const { returns } = this.hosted.stream;
    const { port } = item;
    switch (item.kind) {
      case 'join':
        returns.join(port, this);
        this.#ports.add(port);
        return;
      case 'leave':
        returns.leave(port, this);
        this.#ports.delete(port);
        return;
      case 'discard':
        if (returns.hasJoined(port, this)) returns.discardOnce(port);
        return;
      case 'set':
      case 'extend':
      case 'once': {
        // The port was taken over by a client of another gateway; ours will be notified.
        if (!returns.hasJoined(port, this)) return;
        if (item.kind === 'once') {
          returns.push(port, item.data, item.ttlMs);
          return;
        }
        const data = item.kind === 'set' ? item.data : returns.get(port);
        if (data !== null) returns.set(port, data, item.ttlMs);
        return;
      }
      default:
        item satisfies never;
    }
  }
}
