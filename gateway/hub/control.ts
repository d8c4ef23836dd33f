import { GearwayError } from '../../shared/errors.ts';
import type { ControlAction } from '../../shared/protocol.ts';
import type { ControlStatus } from '../../shared/status.ts';
import { TokenBucket } from '../../shared/token-bucket.ts';
import { NOTHING, type ReturnData } from './returns/return-data.ts';
import type { Returns } from './returns/returns.ts';

/** A viewer of a stream with exclusive control. */
export interface ControlParty {
  /** Id of the client; null for a viewer at another gateway of a cluster. */
  readonly id: string | null;
  /** null for a spectator, which can see the state of control, but cannot get control. */
  readonly port: number | null;
  /** Name that the viewer chose, cleaned; may be empty. */
  readonly name: string;
  /** Address of the client, for events. */
  readonly address: string;
  /** Called when the result of {@link Control.view} has changed, or with a notice for this party. Must not throw. */
  controlChanged(notice: ControlNotice | null): void;
  /**
   * Called when the party has lost control and stays connected, before another party gets control: its return data must
   * end.
   */
  controlLost(): void;
}

/** Codes of a {@link ControlNotice}. */
export const CONTROL_NOTICES = [
  'request-refused',
  'request-unanswered',
  'request-ended',
  'control-revoked',
  'control-lost',
] as const;

/** Why a party did not get control, or has lost it. */
export interface ControlNotice {
  readonly code: (typeof CONTROL_NOTICES)[number];
  /** The reason as a sentence. */
  readonly reason: string;
}

/** A pending request for control, as its party and the holder see it. */
export interface ControlRequest {
  readonly port: number;
  readonly name: string;
  /** Time in which the holder can answer. */
  readonly remainingMs: number;
}

/** State of the control, as a party sees it. */
export interface ControlView {
  /** Port of the holder; null if there is none. */
  readonly port: number | null;
  readonly name: string;
  /** The holder sees all pending requests, another party only its own. */
  readonly requests: readonly ControlRequest[];
}

/** The holder of control, and the pending requests. */
export interface ControlState {
  /** Port of the holder; null while nobody has control, like `since`. */
  readonly port: number | null;
  readonly name: string;
  /** Time at which the holder got control, ISO 8601. */
  readonly since: string | null;
  /** Pending requests, in the order of their arrival. */
  readonly requests: readonly ControlRequest[];
}

/** A viewer from which control was taken back. */
export type FormerHolder = Pick<ControlParty, 'id' | 'port'>;

export interface ControlOptions {
  readonly stream: string;
  /** Called with each change of the holder, as a sentence about the party. */
  readonly report: (party: ControlParty, reason: string) => void;
  readonly nowMs?: () => number;
}

interface PendingRequest {
  readonly expiresAtMs: number;
  readonly timer: NodeJS.Timeout;
}

/** Time in which the holder can answer a request; afterwards, the request is refused. */
export const REQUEST_TIMEOUT_MS = 10_000;

/** Maximum number of pending requests of a stream. */
export const MAX_REQUESTS = 16;

/**
 * Maximum rates of attempts to get or hand over control, per party and per stream, because all viewers are notified of
 * each attempt.
 */
const PARTY_RATE = { perSecond: 2, burst: 10 };
const STREAM_RATE = { perSecond: 10, burst: 30 };

/** The only return data of a party without control that reaches the server. */
const STOP: ReturnData = { kind: 'value', value: { stop: true }, json: '{"stop": true}' };

/** The emergency stop in return data, without the rest; null if there is none. */
export function stopIn(data: ReturnData): ReturnData | null {
  if (data.kind !== 'value') return null;
  const { value } = data;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  return Object.hasOwn(value, 'stop') && (value as { readonly stop?: unknown }).stop === true ? STOP : null;
}

/** Ends the return data of a client that has lost control, except an emergency stop. */
export function endControlledData(returns: Returns, port: number, by: object): void {
  if (!returns.hasJoined(port, by)) return;
  const current = returns.get(port);
  const stop = current === null ? null : stopIn(current);
  if (stop === null) {
    returns.leave(port, by);
    returns.join(port, by);
  } else {
    returns.discardOnce(port);
    returns.set(port, stop);
  }
}

/**
 * Decides who has control of a stream with `control: exclusive`: at most one of its viewers, whose return data alone is
 * accepted. Control is lost with the connection, and never returns automatically.
 */
export class Control {
  readonly #stream: string;
  readonly #report: (party: ControlParty, reason: string) => void;
  readonly #nowMs: () => number;
  readonly #parties = new Map<ControlParty, TokenBucket>();
  /** Pending requests, in the order of their arrival. */
  readonly #requests = new Map<ControlParty, PendingRequest>();
  readonly #budget = new TokenBucket(STREAM_RATE.perSecond, STREAM_RATE.burst);
  #holder: { readonly party: ControlParty; readonly since: string } | null = null;
  #refused = 0;

  constructor(options: ControlOptions) {
    this.#stream = options.stream;
    this.#report = options.report;
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  /** Called when a viewer has connected. */
  join(party: ControlParty): void {
    this.#parties.set(party, new TokenBucket(PARTY_RATE.perSecond, PARTY_RATE.burst));
  }

  /** Called when the viewer has disconnected: it loses control. Its return data must have ended. Idempotent. */
  leave(party: ControlParty): void {
    if (!this.#parties.delete(party)) return;
    if (this.#holder?.party === party) {
      this.#report(party, 'lost control with its connection');
      this.#change(null);
    } else if (this.#endRequest(party)) {
      this.#holder?.party.controlChanged(null);
    }
  }

  isHolder(party: ControlParty): boolean {
    return this.#holder?.party === party;
  }

  state(): ControlState {
    const now = this.#nowMs();
    return {
      port: this.#holder?.party.port ?? null,
      name: this.#holder?.party.name ?? '',
      since: this.#holder?.since ?? null,
      requests: [...this.#requests].flatMap(([{ port, name }, { expiresAtMs }]) =>
        port === null ? [] : [{ port, name, remainingMs: Math.max(0, Math.round(expiresAtMs - now)) }],
      ),
    };
  }

  view(party: ControlParty): ControlView {
    const { port, name, requests } = this.state();
    const seen = this.isHolder(party) ? requests : requests.filter((request) => request.port === party.port);
    return { port, name, requests: seen };
  }

  status(): ControlStatus {
    const { port, name, since, requests } = this.state();
    const holder = this.#holder?.party ?? (port === null ? null : this.#partyAt(port));
    return {
      port,
      client: holder?.id ?? null,
      name: port === null ? null : name,
      since,
      requests: requests.map((request) => request.port),
      refused: this.#refused,
    };
  }

  /**
   * Selects the part of a party's return data that is accepted: everything from the holder; from others only an
   * emergency stop, and null, which ends the stop. Counts refused data.
   *
   * @param party null for a client that cannot have control.
   * @throws {GearwayError} `no-control`.
   */
  admit(party: ControlParty | null, data: ReturnData, mode: 'sticky' | 'once' = 'sticky'): ReturnData {
    if (party !== null && this.isHolder(party)) return data;
    const stop = stopIn(data);
    if (stop !== null) return stop;
    if (mode === 'sticky' && data.kind === 'value' && data.value === null) return NOTHING;
    this.#refused += 1;
    throw this.#notInControl();
  }

  /** Counts and refuses data of a party without control before it is decoded. @throws {GearwayError} `no-control`. */
  checkHolder(party: ControlParty): void {
    if (this.isHolder(party)) return;
    this.#refused += 1;
    throw this.#notInControl();
  }

  /**
   * Takes, requests, releases or hands over control, or refuses a request.
   * @param port the viewer to which control is handed over, or whose request is refused; otherwise ignored.
   * @returns a promise if another gateway decides.
   * @throws {GearwayError} `control-taken`, `no-control`, `no-port`, `client-unknown`, `too-many`; the promise may also
   * reject with `cluster-unreachable`.
   */
  change(party: ControlParty, action: ControlAction, port = 0): void | Promise<void> {
    switch (action) {
      case 'take':
        return this.#take(party);
      case 'request':
        return this.#request(party);
      case 'release':
        return this.#release(party);
      case 'hand-over':
        return this.#handOver(party, port);
      case 'refuse':
        return this.#refuse(party, port);
      default:
        return action satisfies never;
    }
  }

  /** Takes control if nobody has it. @throws {GearwayError} `control-taken`, `no-port`, `too-many`. */
  #take(party: ControlParty): void {
    if (this.#isDone(party)) return;
    if (this.#holder !== null)
      throw new GearwayError(
        'control-taken',
        `${label(this.#holder.party)} has control of ${this.#stream}; request it instead`,
      );
    this.#spend(party);
    this.#report(party, 'took control');
    this.#change(party);
  }

  /**
   * Requests control from the holder, which has {@link REQUEST_TIMEOUT_MS} to answer; takes control immediately if it
   * is free.
   *
   * @throws {GearwayError} `no-port`, `too-many`.
   */
  #request(party: ControlParty): void {
    if (this.#isDone(party) || this.#requests.has(party)) return;
    if (this.#holder === null) {
      this.#take(party);
      return;
    }
    if (this.#requests.size >= MAX_REQUESTS)
      throw new GearwayError('too-many', `${MAX_REQUESTS} viewers already request control; try again later`);
    this.#spend(party);
    const seconds = REQUEST_TIMEOUT_MS / 1000;
    const timer = setTimeout(
      () =>
        this.#denyRequest(party, {
          code: 'request-unanswered',
          reason: `the request for control was not answered within ${seconds} s`,
        }),
      REQUEST_TIMEOUT_MS,
    );
    timer.unref();
    this.#requests.set(party, { expiresAtMs: this.#nowMs() + REQUEST_TIMEOUT_MS, timer });
    this.#holder.party.controlChanged(null);
    party.controlChanged(null);
  }

  /**
   * Releases control, which passes to the party with the oldest request, or withdraws the party's own request. Does
   * nothing if the party has neither control nor a request.
   */
  #release(party: ControlParty): void {
    if (this.isHolder(party)) {
      const [next = null] = this.#requests.keys();
      this.#report(party, next === null ? 'released control' : `released control to ${label(next)}`);
      this.#change(next);
    } else if (this.#endRequest(party)) {
      this.#holder?.party.controlChanged(null);
      party.controlChanged(null);
    }
  }

  /**
   * Hands control over from the holder to the viewer with this port, which need not have requested it.
   *
   * @throws {GearwayError} `no-control`, `client-unknown`, `too-many`.
   */
  #handOver(party: ControlParty, port: number): void {
    if (!this.isHolder(party)) throw this.#notInControl();
    if (port === party.port) return;
    const next = this.#partyAt(port);
    if (next === null)
      throw new GearwayError('client-unknown', `no viewer is connected on port ${port}; hand over to another one`);
    this.#spend(party);
    this.#report(party, `handed control over to ${label(next)}`);
    this.#change(next);
  }

  /**
   * Refuses a request on behalf of the holder. Does nothing if the request has ended. @throws {GearwayError}
   * `no-control`.
   */
  #refuse(party: ControlParty, port: number): void {
    if (!this.isHolder(party)) throw this.#notInControl();
    const refused = this.#partyAt(port);
    if (refused !== null)
      this.#denyRequest(refused, { code: 'request-refused', reason: `${label(party)} refused to hand over control` });
  }

  /**
   * Takes control back on behalf of an administrator, so that there is no holder.
   *
   * @returns the former holder; null if there was none. A promise if another gateway decides, which may be rejected with
   * `cluster-unreachable`.
   */
  revoke(): FormerHolder | null | Promise<FormerHolder | null> {
    const former = this.#holder?.party ?? null;
    if (former === null) return null;
    this.#change(null, { code: 'control-revoked', reason: 'an administrator took control back' });
    return former;
  }

  /** Removes the holder, because this gateway no longer decides who has control. */
  protected reset(notice: ControlNotice): void {
    if (this.#holder !== null || this.#requests.size > 0) this.#change(null, notice);
  }

  /** Ends all requests. The viewers must have left, or be about to leave. */
  close(): void {
    for (const party of this.#requests.keys()) this.#endRequest(party);
  }

  /** @throws {GearwayError} `no-port`. @returns whether the party has control already. */
  #isDone(party: ControlParty): boolean {
    if (party.port === null || !this.#parties.has(party))
      throw new GearwayError('no-port', 'spectators have no port and cannot have control');
    return this.isHolder(party);
  }

  #spend(party: ControlParty): void {
    const now = this.#nowMs();
    if (this.#parties.get(party)?.take(now) === true && this.#budget.take(now)) return;
    throw new GearwayError('too-many', 'control of this stream changes too often; try again in a second');
  }

  #partyAt(port: number): ControlParty | null {
    for (const party of this.#parties.keys()) if (party.port === port) return party;
    return null;
  }

  /** @param notice for the former holder. */
  #change(next: ControlParty | null, notice: ControlNotice | null = null): void {
    const former = this.#holder?.party ?? null;
    const waiting = [...this.#requests.keys()].filter((party) => party !== next);
    for (const party of this.#requests.keys()) this.#endRequest(party);
    // From here on, data of the former holder is refused, and data of the next holder is not accepted yet.
    this.#holder = null;
    if (former !== null && this.#parties.has(former)) former.controlLost();
    this.#holder = next === null ? null : { party: next, since: new Date().toISOString() };
    const ended: ControlNotice = {
      code: 'request-ended',
      reason: next === null ? 'control is free again; take it' : `${label(next)} got control; request it again`,
    };
    for (const party of this.#parties.keys())
      party.controlChanged(party === former ? notice : waiting.includes(party) ? ended : null);
  }

  #denyRequest(party: ControlParty, notice: ControlNotice): void {
    if (!this.#endRequest(party)) return;
    this.#holder?.party.controlChanged(null);
    party.controlChanged(notice);
  }

  #endRequest(party: ControlParty): boolean {
    clearTimeout(this.#requests.get(party)?.timer);
    return this.#requests.delete(party);
  }

  #notInControl(): GearwayError {
    const { port, name } = this.state();
    const who = port === null ? 'nobody has control' : `${label({ port, name })} has control`;
    const remedy = port === null ? 'take it first' : 'request it first';
    return new GearwayError(
      'no-control',
      `${who} of ${this.#stream}, and only the holder's return data counts; ${remedy}`,
    );
  }
}

/** Name and port of a viewer, for messages. */
function label({ name, port }: Pick<ControlParty, 'name' | 'port'>): string {
  return name === '' ? `port ${port}` : `${name} (${port})`;
}
