import { GearwayError } from '../../shared/errors.ts';
import type { ControlAction } from '../../shared/protocol.ts';
import {
  Control,
  type ControlNotice,
  type ControlOptions,
  type ControlParty,
  type ControlState,
  type FormerHolder,
} from '../hub/control.ts';
import type { ControlAnswer, ControlItem, ControlPresence, ControlRequest } from './control-wire.ts';

/** A request to the owner that has not been sent, or whose result has not arrived. */
interface Pending {
  readonly item: ControlRequest;
  readonly timer: NodeJS.Timeout;
  /** @param port of the former holder, after a revocation. */
  readonly resolve: (port: number | null) => void;
  readonly reject: (error: GearwayError) => void;
}

/** Maximum time until the owner has answered a request. */
const TIMEOUT_MS = 3000;

/** Maximum number of pending requests to the owner. */
const MAX_PENDING = 64;

const NOBODY: ControlState = { port: null, name: '', since: null, requests: [] };

interface ClusterControlOptions extends ControlOptions {
  /** Whether this gateway owns the stream. */
  readonly isHere: () => boolean;
  /** The state that the owner announces to all gateways; null if there is no owner. */
  readonly announced: () => ControlState | null;
}

/**
 * Control of a stream in a cluster. The owner of the stream decides as a gateway without a cluster does, also for
 * viewers at other gateways. Another gateway forwards the requests of its viewers, and the owner's answers to them, in
 * its session with the owner. When the owner changes, nobody has control.
 */
export class ClusterControl extends Control {
  readonly #options: ClusterControlOptions;
  readonly #nowMs: () => number;
  /** The viewers of this gateway, by id. */
  readonly #local = new Map<string, ControlParty>();
  #wasHere = false;
  /** Wakes the session with the owner; null while there is none. */
  #wake: (() => void) | null = null;
  /** The owner's latest answer in this session; null before the first one, and after the session was lost. */
  #seen: { readonly answer: ControlAnswer; readonly atMs: number } | null = null;
  /** Viewers that have joined or left since the last batch. */
  #changes: ControlPresence[] = [];
  readonly #waiting = new Set<Pending>();
  /** Requests in the batch that has not been answered yet. */
  #sent: readonly Pending[] = [];

  constructor(options: ClusterControlOptions) {
    super(options);
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  override join(party: ControlParty): void {
    super.join(party);
    if (party.id === null) return;
    this.#local.set(party.id, party);
    if (this.#wake !== null) this.#add(enterItems(party.id, party));
  }

  override leave(party: ControlParty): void {
    super.leave(party);
    if (party.id === null || !this.#local.delete(party.id)) return;
    for (const pending of [...this.#waiting, ...this.#sent])
      if (pending.item.kind === 'change' && pending.item.client === party.id)
        this.#settle(pending, new GearwayError('closed', 'the viewer has disconnected'));
    const isSent = !this.#changes.some((item) => item.kind === 'enter' && item.client === party.id);
    if (!isSent) this.#changes = this.#changes.filter(({ client }) => client !== party.id);
    else if (this.#wake !== null && party.port !== null) this.#add([{ kind: 'exit', client: party.id }]);
  }

  override isHolder(party: ControlParty): boolean {
    if (this.#decides()) return super.isHolder(party);
    return party.id !== null && this.#seen?.answer.holder === party.id && this.#local.has(party.id);
  }

  override state(): ControlState {
    if (this.#decides()) return super.state();
    if (this.#wake === null) return this.#options.announced() ?? NOBODY;
    if (this.#seen === null) return NOBODY;
    const { answer, atMs } = this.#seen;
    const passedMs = this.#nowMs() - atMs;
    return {
      ...answer.state,
      requests: answer.state.requests.map(({ remainingMs, ...request }) => ({
        ...request,
        remainingMs: Math.max(0, Math.round(remainingMs - passedMs)),
      })),
    };
  }

  override change(party: ControlParty, action: ControlAction, port = 0): void | Promise<void> {
    if (this.#decides()) return super.change(party, action, port);
    if (party.id === null || party.port === null || !this.#local.has(party.id))
      throw new GearwayError('no-port', 'spectators have no port and cannot have control');
    return this.#request({ kind: 'change', client: party.id, action, port }).then(() => undefined);
  }

  override revoke(): FormerHolder | null | Promise<FormerHolder | null> {
    if (this.#decides()) return super.revoke();
    return this.#request({ kind: 'revoke' }).then((port) => {
      if (port === null) return null;
      const holder = [...this.#local.values()].find((party) => party.port === port);
      return { id: holder?.id ?? null, port };
    });
  }

  override close(): void {
    super.close();
    this.end();
    for (const pending of this.#waiting) this.#settle(pending, new GearwayError('closed', 'the stream is closed'));
  }

  /** Called when the owner may have changed. */
  ownerChanged(): void {
    this.#decides();
  }

  /** Whether there is something to send to the owner, which requires a session. */
  get isPending(): boolean {
    return this.#changes.length > 0 || this.#waiting.size > 0;
  }

  /**
   * Called when a new session with the owner begins, possibly in place of another one. @param wake requests a batch.
   */
  begin(wake: () => void): void {
    this.lost('the connection to the gateway of the source was interrupted');
    this.#wake = wake;
    this.#changes = [...this.#local].flatMap(([id, party]) => enterItems(id, party));
  }

  /** Called when the session has ended. */
  end(): void {
    this.#wake = null;
    this.#changes = [];
    this.lost('there is no connection to a gateway that runs the source');
  }

  /** Removes and returns all items, for one batch. */
  take(): readonly ControlItem[] {
    const items = [...this.#changes, ...[...this.#waiting].map(({ item }) => item)];
    this.#sent = [...this.#waiting];
    this.#changes = [];
    this.#waiting.clear();
    return items;
  }

  /** Called when the owner has answered the batch. */
  answered(answer: ControlAnswer): void {
    const [sent, before] = [this.#sent, this.#seen];
    this.#sent = [];
    if (!this.#decides()) {
      const notices = new Map<string, ControlNotice>();
      for (const { client, notice } of answer.events) {
        if (notice === null) this.#local.get(client)?.controlLost();
        else notices.set(client, notice);
      }
      this.#seen = { answer, atMs: this.#nowMs() };
      const isChanged = before === null || summary(before.answer) !== summary(answer);
      for (const [id, party] of this.#local) {
        const notice = notices.get(id) ?? null;
        if (isChanged || notice !== null) party.controlChanged(notice);
      }
    }
    for (const [index, pending] of sent.entries()) {
      const result = answer.results[index];
      if (result?.ok === true) this.#settle(pending, null, result.port);
      else
        this.#settle(
          pending,
          new GearwayError(result?.code ?? 'batch-invalid', result?.reason ?? 'there is no result'),
        );
    }
  }

  /**
   * Called when the owner has ended the session, or is about to end it: no viewer of this gateway has control. The
   * results of sent requests are unknown.
   */
  lost(reason: string): void {
    const [sent, seen] = [this.#sent, this.#seen];
    this.#sent = [];
    this.#seen = null;
    const error = new GearwayError('cluster-unreachable', `${reason}; try again`);
    for (const pending of sent) this.#settle(pending, error);
    const { holder, state } = seen?.answer ?? { holder: null, state: NOBODY };
    if (holder !== null) this.#local.get(holder)?.controlLost();
    for (const [id, party] of this.#local) {
      const requested = state.requests.some(({ port }) => port === party.port);
      if (id === holder) party.controlChanged({ code: 'control-lost', reason: `${reason}; take control again` });
      else party.controlChanged(requested ? { code: 'request-ended', reason: `${reason}; request it again` } : null);
    }
  }

  /** Whether this gateway decides about control. Whenever this changes, nobody has control. */
  #decides(): boolean {
    const isHere = this.#options.isHere();
    if (isHere === this.#wasHere) return isHere;
    this.#wasHere = isHere;
    const reason = 'another gateway runs the source now';
    if (isHere) {
      this.lost(reason);
      for (const pending of this.#waiting)
        this.#settle(pending, new GearwayError('cluster-unreachable', `${reason}; try again`));
    } else this.reset({ code: 'control-lost', reason: `${reason}; take control again` });
    return isHere;
  }

  #request(item: ControlRequest): Promise<number | null> {
    if (this.#waiting.size + this.#sent.length >= MAX_PENDING)
      throw new GearwayError('too-many', 'control of this stream changes too often; try again in a second');
    return new Promise((resolve, reject) => {
      const text = `the gateway of the source has not answered within ${TIMEOUT_MS / 1000} s; try again`;
      const pending: Pending = {
        item,
        timer: setTimeout(() => this.#settle(pending, new GearwayError('cluster-unreachable', text)), TIMEOUT_MS),
        resolve,
        reject,
      };
      pending.timer.unref();
      this.#waiting.add(pending);
      this.#wake?.();
    });
  }

  /** Idempotent. */
  #settle(pending: Pending, error: GearwayError | null, port: number | null = null): void {
    clearTimeout(pending.timer);
    this.#waiting.delete(pending);
    if (error === null) pending.resolve(port);
    else pending.reject(error);
  }

  #add(changes: readonly ControlPresence[]): void {
    this.#changes.push(...changes);
    if (changes.length > 0) this.#wake?.();
  }
}

/** Spectators cannot have control, so they are not reported to the owner. */
function enterItems(client: string, { port, name }: ControlParty): readonly ControlPresence[] {
  return port === null ? [] : [{ kind: 'enter', client, port, name }];
}

/** The part of an answer that viewers see. */
function summary({ holder, state: { port, name, since, requests } }: ControlAnswer): string {
  return JSON.stringify([holder, port, name, since, requests.map((request) => request.port)]);
}
