import type { World } from './world.ts';

/** Requests of the main process to an attacking process. */
export interface AttackOrder {
  readonly target: string;
  readonly seed: number;
  readonly seconds: number;
  /** Number of the first input. */
  readonly first: number;
  readonly world: World;
  /** For `decoders`: replays one failure; `decoder` names it, `path` is fast-check's. */
  readonly replay?: { readonly decoder: string; readonly path: string };
}

/** A finding. */
export interface Finding {
  readonly target: string;
  /** Number of the input; null if no single one can be identified. */
  readonly input: number | null;
  readonly what: string;
  /** How to reproduce the finding, if the seed and the number of the input do not suffice. */
  readonly replay?: string;
  /** Scripts as JSON: those of the input, or the last ones before the failure. */
  readonly scripts?: string;
}

/** Report of an attacking process at its end. */
export interface AttackReport {
  readonly inputs: number;
  /** Number of the next input. */
  readonly next: number;
  readonly answers: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
  /** The last inputs as JSON, for a failure that only the main process detects. */
  readonly lastScripts: string;
}
