import type { Random } from './random.ts';
import type { Outcome, Script } from './script.ts';
import type { World } from './world.ts';

/** An input of the gateway that is attacked from outside, with the checks of its responses. */
export interface Target {
  readonly name: string;
  readonly summary: string;
  /** Number of concurrent connections, except in bursts. */
  readonly concurrency: number;
  /** Maximum number of inputs started per second, so that the gateway is not starved. */
  readonly perSecond: number;
  /** Whether the gateway connects to the fuzzer: scripts then run on accepted connections. */
  readonly isListening?: boolean;
  /** Generates one input: concurrent connections. Depends only on its arguments. */
  create(random: Random, world: World): readonly Script[];
  /** Classifies the responses for the summary, such as `200` or `4000`. */
  answers(outcome: Outcome): readonly string[];
  /** The problem of an outcome; null if there is none. */
  judge?(script: Script, outcome: Outcome, world: World): string | null;
}

/** A loopback address for one connection: limits are per address, and real attackers have many addresses. */
export function anyAddress(random: Random, network = 1): string {
  return `127.0.${network}.${random.between(1, 250)}`;
}

/** How one connection ends: normally, early, by a reset, or not at all for a while. */
export function ending(random: Random): Pick<Script, 'lingerMs'> & { readonly last: Script['steps'] } {
  return random.weighted<() => Pick<Script, 'lingerMs'> & { readonly last: Script['steps'] }>([
    [5, () => ({ lingerMs: random.between(20, 200), last: [] })],
    [2, () => ({ lingerMs: 0, last: [] })],
    [2, () => ({ lingerMs: random.between(50, 400), last: [{ kind: 'end' }] })],
    [2, () => ({ lingerMs: 0, last: [{ kind: 'reset' }] })],
    [1, () => ({ lingerMs: random.between(100, 1500), last: [{ kind: 'stall' }] })],
  ])();
}

/** Splits bytes into chunks with pauses, like a slow or hostile sender. */
export function sendSteps(random: Random, bytes: Uint8Array): Script['steps'] {
  if (bytes.byteLength === 0) return [];
  if (!random.chance(0.15)) return [{ kind: 'send', bytes }];
  const cuts = random.times(random.between(1, 5), () => random.below(bytes.byteLength)).sort((a, b) => a - b);
  return [...cuts, bytes.byteLength].flatMap((end, index) => {
    const piece = bytes.subarray(cuts[index - 1] ?? 0, end);
    return piece.byteLength === 0
      ? []
      : [{ kind: 'send', bytes: piece } as const, { kind: 'wait', ms: random.between(0, 15) } as const];
  });
}

/** The status codes of HTTP responses, in order. Bodies contain no lines of this form. */
export function httpStatuses(outcome: Outcome): number[] {
  return [...outcome.received.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}

/**
 * Statuses that indicate an error of the server. 503 is not included, because it indicates a limit; neither is 501,
 * which is documented for array types that are not supported.
 */
export function serverErrors(outcome: Outcome): string | null {
  const status = httpStatuses(outcome).find((code) => code >= 500 && code !== 501 && code !== 503);
  return status === undefined ? null : `answered ${status}: ${outcome.received.toString('latin1').slice(0, 300)}`;
}
