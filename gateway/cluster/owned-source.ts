import { SUSPENDED_REASON } from '../../shared/status.ts';
import type { Source, SourceSink } from '../sources/source.ts';
import type { MirrorSource } from './mirror-source.ts';

/**
 * A source that is configured at this gateway. It runs while this gateway owns the stream; otherwise the stream mirrors
 * that of the owner.
 */
export class OwnedSource implements Source {
  readonly serverPorts: readonly number[] | null;
  #local: Source;
  readonly #mirror: MirrorSource;
  readonly #isOwner: () => boolean;
  #open: { readonly isLocal: boolean; readonly sink: SourceSink } | null = null;

  constructor(local: Source, mirror: MirrorSource, isOwner: () => boolean) {
    this.#local = local;
    this.serverPorts = local.serverPorts;
    this.#mirror = mirror;
    this.#isOwner = isOwner;
  }

  get kind(): string {
    return this.#active.kind;
  }

  get address(): string {
    return this.#active.address;
  }

  get waitingReason(): string {
    return this.#active.waitingReason;
  }

  get suspendedReason(): string {
    return this.#active.suspendedReason ?? SUSPENDED_REASON;
  }

  get takesReturns(): boolean {
    return this.#local.takesReturns;
  }

  get verifiesJpegs(): boolean {
    return this.#local.verifiesJpegs;
  }

  get stallMs(): number | null {
    return this.#active.stallMs;
  }

  state(): string {
    return this.#active.state();
  }

  problem(): string | null {
    return this.#active.problem?.() ?? null;
  }

  async open(sink: SourceSink): Promise<void> {
    const isLocal = this.#isOwner();
    this.#open = { isLocal, sink };
    await (isLocal ? this.#local : this.#mirror).open(sink);
  }

  async close(): Promise<void> {
    this.#open = null;
    await Promise.all([this.#local.close(), this.#mirror.close()]);
  }

  /** Replaces the local source. The previous one must be closed. */
  replaceLocal(local: Source): void {
    this.#local = local;
  }

  /** Called whenever members or owners may have changed. */
  ownerChanged(): void {
    if (this.#open === null) return;
    if (this.#open.isLocal !== this.#isOwner()) this.#open.sink.reopen();
    else if (!this.#open.isLocal) this.#mirror.ownerChanged();
  }

  get #active(): Source {
    return (this.#open?.isLocal ?? this.#isOwner()) ? this.#local : this.#mirror;
  }
}
