import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { formatLabel } from '../../shared/clean-text.ts';
import { errorText, GearwayError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import { ByteBudget } from '../hub/byte-budget.ts';
import { type ControlNotice, type ControlParty, endControlledData } from '../hub/control.ts';
import type { ReturnData } from '../hub/returns/return-data.ts';
import type { Stream } from '../hub/stream.ts';
import type { ControlAnswer, ControlItem, ControlRequest } from './control-wire.ts';
import type { FrameExporter } from './frame-exporter.ts';
import { RareWarnings } from './rare-warnings.ts';
import { decodeBatch, type ReturnItem } from './return-wire.ts';
import { decodePart, MAX_REFUSED, type PartHead, SESSION_TIMEOUT_MS, type SessionAnswer } from './session-wire.ts';

const CHECK_INTERVAL_MS = 100;

/**
 * Checks are counted instead of time, because this gateway receives no batches while it is suspended or overloaded
 * itself.
 */
const MAX_SILENT_CHECKS = SESSION_TIMEOUT_MS / CHECK_INTERVAL_MS;

/** If no frame was published for this long, and a gateway has missed the last one, it is published again. */
const REPEAT_AFTER_MS = 300;

/** Maximum size of a batch. */
const MAX_BATCH_BYTES = 64 << 20;

/** Maximum size of the incomplete batches of all sessions. */
const MAX_INCOMPLETE_BYTES = 256 << 20;

/** Maximum number of sessions: one per stream and gateway that shows it. */
const MAX_SESSIONS = 4096;

/**
 * Maximum number of clients of a stream in the whole cluster: all virtual ports, and as many native clients. Each is in
 * every reply to a NetGear server.
 */
const MAX_CLIENTS = 8192;

/** Maximum number of viewers of a session of a stream with exclusive control: each has a port. */
const MAX_PARTIES = 65_535;

/** How long the epoch of an ended session is remembered, longer than any message may be in transit. */
const EPOCH_CHECKS = 120_000 / CHECK_INTERVAL_MS;

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
  /** Name of a gateway, for display. @param id as in {@link PartHead.from}. */
  readonly gatewayName: (id: string) => string;
  readonly log: Logger;
}

/**
 * Receives the sessions of the other gateways: their interest in frames, the return data of their clients, and which of
 * them want control.
 */
export class SessionHost {
  readonly #options: SessionHostOptions;
  readonly #sessions = new Map<string, Session>();
  /** The latest epoch per gateway and stream. */
  readonly #epochs = new Map<string, { epoch: number; checksLeft: number }>();
  readonly #incomplete = new ByteBudget(MAX_INCOMPLETE_BYTES);
  readonly #warnings: RareWarnings;
  readonly #subscription: Subscription;
  readonly #timer: NodeJS.Timeout;

  constructor(options: SessionHostOptions) {
    this.#options = options;
    this.#warnings = new RareWarnings(options.log);
    this.#subscription = options.connection.subscribe(options.subject, {
      callback: (error, message) => {
        // The NATS user of this gateway lacks the right to subscribe. There is no message in this case.
        if (error === null) this.#received(message);
        else options.log.error({}, `this gateway cannot serve its streams to the others: ${errorText(error)}`);
      },
    });
    this.#timer = setInterval(() => this.#check(), CHECK_INTERVAL_MS);
  }

  /**
   * Ends the sessions of a stream that is closed, or has another owner. If this gateway creates the stream again, or
   * owns it again, the other gateways begin new sessions.
   */
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
    for (const [id, session] of this.#sessions) {
      session.silentChecks += 1;
      if (session.silentChecks > MAX_SILENT_CHECKS || !session.hosted.isOwner()) this.#end(id);
    }
    for (const [key, known] of this.#epochs) {
      known.checksLeft -= 1;
      if (known.checksLeft <= 0) this.#epochs.delete(key);
    }
  }

  #end(id: string): void {
    this.#sessions.get(id)?.end();
    this.#sessions.delete(id);
  }

  #received(message: Msg): void {
    // An error must not reach the NATS library, which would stop reading from the connection.
    try {
      const { head, bytes } = decodePart(message.data);
      const answer = this.#accept(head, bytes);
      if (answer !== null) respond(message, answer);
    } catch (error) {
      this.#warnings.warn(errorText(error));
      respond(message, { ok: false, code: 'restart' });
    }
  }

  /**
   * Whether a new session is the latest one of its gateway and stream. Otherwise, the session has ended, and its
   * message is late or repeated. The latest session replaces the earlier ones.
   */
  #isLatest({ from, stream, epoch }: PartHead): boolean {
    const key = `${from} ${stream}`;
    const known = this.#epochs.get(key);
    if (epoch <= (known?.epoch ?? -Infinity)) return false;
    this.#epochs.set(key, { epoch, checksLeft: EPOCH_CHECKS });
    for (const [id, session] of this.#sessions)
      if (session.from === from && session.hosted.stream.name === stream) this.#end(id);
    return true;
  }

  /** Whether there is no room for a new session of this gateway and stream. */
  #isFull({ from, stream }: PartHead): boolean {
    const isKnown = this.#epochs.has(`${from} ${stream}`);
    const isFull = this.#sessions.size >= MAX_SESSIONS || (!isKnown && this.#epochs.size >= MAX_SESSIONS);
    if (isFull) this.#warnings.warn(`other gateways have begun more than ${MAX_SESSIONS} sessions; some get no frames`);
    return isFull;
  }

  /** @returns null if more parts of the batch follow. */
  #accept(head: PartHead, bytes: Uint8Array): SessionAnswer | null {
    const hosted = this.#options.streams.get(head.stream);
    if (hosted === undefined || !hosted.isOwner()) return { ok: false, code: 'not-owner' };
    let session = this.#sessions.get(head.session);
    if (session === undefined) {
      if (head.batch !== 1 || this.#isFull(head) || !this.#isLatest(head)) return { ok: false, code: 'restart' };
      session = new Session(hosted, head, `gateway ${this.#options.gatewayName(head.from)}`, this.#incomplete);
      this.#sessions.set(head.session, session);
    }
    // The id belongs to the session of another gateway.
    if (session.from !== head.from || session.hosted !== hosted) return { ok: false, code: 'restart' };
    const answer = session.part(head, bytes);
    if (session.isLast || (answer !== null && !answer.ok)) this.#end(head.session);
    return answer;
  }
}

/** @throws if the answer is too large for the NATS server. */
function respond(message: Msg, answer: SessionAnswer): void {
  if (message.reply !== undefined && message.reply !== '') message.respond(JSON.stringify(answer));
}

/** Session of one stream at one other gateway. */
class Session {
  readonly hosted: HostedStream;
  /** Id of that gateway. */
  readonly from: string;
  /** Number of checks since the last message. */
  silentChecks = 0;
  isLast = false;
  readonly #address: string;
  readonly #ports = new Set<number>();
  /** Viewers of the other gateway, if control of the stream is exclusive, by their ids. */
  readonly #parties = new Map<string, RemoteParty>();
  readonly #partiesByPort = new Map<number, RemoteParty>();
  /** Events since the last answer. */
  #events: ControlAnswer['events'][number][] = [];
  readonly #incomplete: ByteBudget;
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #answered = 0;
  #answer: SessionAnswer | null = null;

  /**
   * @param address of its clients, for events.
   * @param incomplete budget for batches of several parts.
   */
  constructor(hosted: HostedStream, { from }: PartHead, address: string, incomplete: ByteBudget) {
    this.hosted = hosted;
    this.from = from;
    this.#address = address;
    this.#incomplete = incomplete;
  }

  part({ batch, part, parts }: PartHead, bytes: Uint8Array): SessionAnswer | null {
    this.silentChecks = 0;
    const isComplete = part === parts - 1;
    // The sender has repeated the batch, because the answer was late.
    if (batch === this.#answered) return isComplete ? this.#answer : null;
    // The batch is late or repeated, and its sender no longer waits for the answer.
    if (batch < this.#answered) return null;
    if (batch !== this.#answered + 1) return { ok: false, code: 'restart' };
    if (part === 0) this.#forgetParts();
    if (parts > 1 && part !== this.#parts.length) return isComplete ? { ok: false, code: 'restart' } : null;
    if (parts > 1) {
      if (this.#partBytes + bytes.byteLength > MAX_BATCH_BYTES || !this.#incomplete.reserve(bytes.byteLength))
        return { ok: false, code: 'restart' };
      this.#partBytes += bytes.byteLength;
      this.#parts.push(new Uint8Array(bytes));
    }
    if (!isComplete) return null;
    const whole = parts === 1 ? bytes : Buffer.concat(this.#parts);
    this.#forgetParts();
    this.#answer = this.#process(whole);
    this.#answered = batch;
    return this.#answer;
  }

  #forgetParts(): void {
    this.#incomplete.release(this.#partBytes);
    this.#parts = [];
    this.#partBytes = 0;
  }

  /** Ends the return data and the control of its clients, and its interest in frames. */
  end(): void {
    const { stream, exporter } = this.hosted;
    this.#forgetParts();
    exporter.unwant(this);
    for (const port of this.#ports) stream.returns.leave(port, this);
    this.#ports.clear();
    for (const client of this.#parties.keys()) this.#exit(client);
  }

  #process(bytes: Uint8Array): SessionAnswer {
    const { stream, exporter } = this.hosted;
    const { needsPictures, newestFrame, isLast, control, items } = decodeBatch(bytes);
    this.isLast = isLast;
    const results = control.flatMap((item) => this.#applyControl(item) ?? []);
    const refused: string[] = [];
    for (const item of items) {
      try {
        this.#apply(item);
      } catch (error) {
        stream.returns.countRejected();
        if (refused.length < MAX_REFUSED) refused.push(`port ${item.port}: ${errorText(error)}`);
      }
    }
    if (isLast) exporter.unwant(this);
    else exporter.want(this, needsPictures);
    const newest = stream.latest?.sequence ?? 0;
    if (!isLast && newest > newestFrame && exporter.silenceMs > REPEAT_AFTER_MS) exporter.repeat();
    const { state, reason } = stream;
    return { ok: true, state, reason, newestFrame: newest, refused, control: this.#controlAnswer(results) };
  }

  #controlAnswer(results: ControlAnswer['results']): ControlAnswer | null {
    const { control } = this.hosted.stream;
    if (control === null) return null;
    const events = this.#events;
    this.#events = [];
    const [holder = null] = [...this.#parties.values()].filter((party) => control.isHolder(party));
    return { state: control.state(), holder: holder?.client ?? null, results, events };
  }

  /** @returns the result of a request; null for viewers that join or leave. */
  #applyControl(item: ControlItem): ControlAnswer['results'][number] | null {
    switch (item.kind) {
      case 'enter': {
        if (this.#parties.has(item.client) || this.#parties.size >= MAX_PARTIES) return null;
        const { returns, control } = this.hosted.stream;
        const party = new RemoteParty(item, this.#address, {
          notify: (notice) => this.#events.push({ client: item.client, notice }),
          endData: () => endControlledData(returns, item.port, this),
        });
        this.#parties.set(item.client, party);
        this.#partiesByPort.set(item.port, party);
        control?.join(party);
        return null;
      }
      case 'exit':
        this.#exit(item.client);
        return null;
      case 'change':
      case 'revoke':
        try {
          return { ok: true, port: this.#changeControl(item) };
        } catch (error) {
          const code = error instanceof GearwayError ? error.code : 'unknown';
          return { ok: false, code, reason: errorText(error) };
        }
      default:
        return item satisfies never;
    }
  }

  /** @returns the port of the former holder after a revocation; otherwise null. */
  #changeControl(item: ControlRequest): number | null {
    const { control } = this.hosted.stream;
    if (control === null)
      throw new GearwayError('control-shared', 'control of this stream is shared: every viewer may return data');
    if (item.kind === 'revoke') return withoutPromise(control.revoke())?.port ?? null;
    const party = this.#parties.get(item.client);
    if (party === undefined) throw new GearwayError('no-port', 'this viewer has no port and cannot have control');
    withoutPromise(control.change(party, item.action, item.port));
    return null;
  }

  #exit(client: string): void {
    const party = this.#parties.get(client);
    if (party === undefined) return;
    this.#parties.delete(client);
    if (this.#partiesByPort.get(party.port) === party) this.#partiesByPort.delete(party.port);
    this.hosted.stream.control?.leave(party);
  }

  /** The part of the data that is accepted. @throws {GearwayError} `no-control`. */
  #admit(port: number, data: ReturnData, mode: 'sticky' | 'once'): ReturnData {
    const { control } = this.hosted.stream;
    return control === null ? data : control.admit(this.#partiesByPort.get(port) ?? null, data, mode);
  }

  #apply(item: ReturnItem): void {
    const { returns } = this.hosted.stream;
    const { port } = item;
    switch (item.kind) {
      case 'join':
        if (returns.size >= MAX_CLIENTS && !this.#ports.has(port))
          throw new GearwayError('too-many', `the stream already has ${MAX_CLIENTS} clients`);
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
        // The port was taken over by a client of another gateway; the client of this session will be notified.
        if (!returns.hasJoined(port, this)) return;
        if (item.kind === 'once') {
          returns.push(port, this.#admit(port, item.data, 'once'), item.ttlMs);
          return;
        }
        // A value that is extended was admitted, and has ended if its client has lost control.
        const data = item.kind === 'set' ? this.#admit(port, item.data, 'sticky') : returns.get(port);
        if (data !== null) returns.set(port, data, item.ttlMs);
        return;
      }
      default:
        item satisfies never;
    }
  }
}

/** Callbacks of a {@link RemoteParty} to its session. */
interface PartySession {
  /** @param notice null after it has lost control. */
  readonly notify: (notice: ControlNotice | null) => void;
  /** Ends its return data, except an emergency stop. */
  readonly endData: () => void;
}

/** A viewer at another gateway. */
class RemoteParty implements ControlParty {
  readonly id = null;
  readonly client: string;
  readonly port: number;
  readonly name: string;
  readonly address: string;
  readonly #session: PartySession;

  constructor({ client, port, name }: Extract<ControlItem, { kind: 'enter' }>, address: string, session: PartySession) {
    this.client = client;
    this.port = port;
    this.name = name;
    this.address = formatLabel(name, address);
    this.#session = session;
  }

  /** The viewer's state is part of each answer. */
  controlChanged(notice: ControlNotice | null): void {
    if (notice !== null) this.#session.notify(notice);
  }

  controlLost(): void {
    this.#session.endData();
    this.#session.notify(null);
  }
}

/** The result of a decision that is made here, because this gateway owns the stream. */
function withoutPromise<T>(result: T | Promise<T>): T {
  if (result instanceof Promise) throw new GearwayError('not-owner', 'this gateway no longer runs the source');
  return result;
}
