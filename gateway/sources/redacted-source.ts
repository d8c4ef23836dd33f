import type { FrameInput, FrameOutline } from '../hub/frame.ts';
import type { Redactor } from './redactor.ts';
import type { AcceptedFrame, Source, SourceSink } from './source.ts';

/** Removes secrets from all strings that a source reports, so that sources do not have to do it themselves. */
export class RedactedSource implements Source {
  readonly kind: string;
  readonly address: string;
  readonly waitingReason: string;
  readonly takesReturns: boolean;
  readonly verifiesJpegs: boolean;
  readonly serverPorts: readonly number[] | null;
  readonly #source: Source;
  readonly #redactor: Redactor;

  constructor(source: Source, redactor: Redactor) {
    this.#source = source;
    this.#redactor = redactor;
    this.kind = source.kind;
    this.address = redactor.hide(source.address);
    this.waitingReason = redactor.hide(source.waitingReason);
    this.takesReturns = source.takesReturns;
    this.verifiesJpegs = source.verifiesJpegs;
    this.serverPorts = source.serverPorts;
  }

  get stallMs(): number | null {
    return this.#source.stallMs;
  }

  state(): string {
    return this.#redactor.hide(this.#source.state());
  }

  problem(): string | null {
    const problem = this.#source.problem?.() ?? null;
    return problem === null ? null : this.#redactor.hide(problem);
  }

  async open(sink: SourceSink): Promise<void> {
    try {
      await this.#source.open(new RedactedSink(sink, this.#redactor));
    } catch (error) {
      throw this.#redactor.error(error);
    }
  }

  close(): Promise<void> {
    return this.#source.close();
  }
}

class RedactedSink implements SourceSink {
  readonly #sink: SourceSink;
  readonly #redactor: Redactor;

  constructor(sink: SourceSink, redactor: Redactor) {
    this.#sink = sink;
    this.#redactor = redactor;
  }

  get returns(): SourceSink['returns'] {
    return this.#sink.returns;
  }

  get needsPictures(): boolean {
    return this.#sink.needsPictures;
  }

  publish(input: FrameInput): AcceptedFrame {
    return this.#sink.publish(input);
  }

  announce(outline: FrameOutline): void {
    this.#sink.announce(outline);
  }

  reject(error: unknown): void {
    this.#sink.reject(this.#redactor.error(error));
  }

  end(reason: string): void {
    this.#sink.end(this.#redactor.hide(reason));
  }

  interrupted(reason: string): void {
    this.#sink.interrupted(this.#redactor.hide(reason));
  }

  reopen(): void {
    this.#sink.reopen();
  }

  fail(error: unknown): void {
    this.#sink.fail(this.#redactor.error(error));
  }
}
