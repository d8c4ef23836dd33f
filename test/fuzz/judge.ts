import { percentile } from '../bench/statistics.ts';
import type { Finding } from './attack-messages.ts';
import { type Gap, ownGap } from './gaps.ts';
import { type ProcessFigures, readFigures } from './process-figures.ts';
import type { Probe } from './prober.ts';
import { type ApiCounts, type TestBed, until } from './test-bed.ts';

/** Maximum time that a viewer may wait for a frame, and that `/healthz` may take, under any attack. */
const MAX_GAP_MS = 500;

/** Maximum time for the release of connections, ports and memory after an attack. */
const SETTLE_MS = 15_000;

/** Tolerance for descriptors that vary: FFmpeg's and libzmq's helpers, connections that are being re-established. */
const SPARE_DESCRIPTORS = 8;

/**
 * Memory that a process may keep after an attack: heaps grow to the size of their load. Continuous growth is detected
 * by the slope of a long run.
 */
const MAX_KEPT_MIB = 192;

/** Log lines of uncaught exceptions. */
const UNCAUGHT =
  /uncaught|unhandled|triggerUncaughtException|^\s+at .+:\d+:\d+\)?$|node:internal|Maximum call stack|Invalid string length|heap out of memory/i;

/** Figures before an attack. */
export interface Baseline {
  readonly figures: ProcessFigures;
  readonly counts: ApiCounts;
  readonly nativeIds: ReadonlySet<string>;
  readonly pushed: number;
  readonly served: number;
  readonly sent: number;
  readonly logLines: number;
  readonly sinceMs: number;
}

/** Measurements while one target was attacked, and afterwards. */
export interface Figures {
  readonly healthP50Ms: number;
  readonly healthP99Ms: number;
  readonly healthMaxMs: number;
  readonly controlHealthMaxMs: number;
  /**
   * Longest gap of the viewers of the attacked stream and of another stream, without the part caused by the machine.
   */
  readonly gapMs: number;
  readonly otherGapMs: number;
  /** Longest observed gap of either stream, including the part caused by the machine. */
  readonly seenGapMs: number;
  /** Longest response time of `/healthz`, without the part caused by the machine. */
  readonly ownHealthMs: number;
  readonly descriptors: readonly [before: number, after: number];
  readonly residentMiB: readonly [before: number, after: number];
  /** Frames of the real clients since the start of the attack. */
  readonly clientFrames: readonly [served: number, pushed: number];
}

export async function takeBaseline(bed: TestBed): Promise<Baseline> {
  return {
    figures: readFigures(bed.gateway.process.pid!),
    counts: await bed.counts(),
    nativeIds: await bed.nativeIds(),
    pushed: bed.framesOf(1),
    served: bed.framesOf(0),
    sent: bed.sent,
    logLines: bed.gateway.stderr.all.length,
    sinceMs: performance.now(),
  };
}

/**
 * Waits until the gateway has released everything, and compares.
 *
 * @param start figures after the warm-up of the gateway; @param before the same at the beginning of this attack.
 */
export async function judge(
  bed: TestBed,
  target: string,
  start: Baseline,
  before: Baseline,
): Promise<{ readonly figures: Figures | null; readonly findings: readonly Finding[] }> {
  const findings: Finding[] = [];
  const found = (what: string): void => void findings.push({ target, input: null, what });
  const attackEndedMs = performance.now();
  const during = {
    viewers: bed.viewers.map((viewer) => viewer.gaps.since(before.sinceMs)),
    control: bed.control.gaps.since(before.sinceMs),
  };
  const log = bed.gateway.stderr.all.slice(before.logLines);
  const trace = log.findIndex((line) => UNCAUGHT.test(line));
  if (trace >= 0)
    found(`the log has an uncaught exception: ${log.slice(Math.max(0, trace - 2), trace + 6).join(' | ')}`);
  if (!bed.gateway.isRunning) {
    found(
      `the gateway ended with ${String(bed.gateway.process.exitCode ?? bed.gateway.process.signalCode)}: ${bed.gateway.stderr.all.slice(-12).join(' | ')}`,
    );
    return { figures: null, findings };
  }

  await bed.removeListedClients(start.nativeIds);
  const pid = bed.gateway.process.pid!;
  // These figures are checked and reported, because later figures would include other connections of the probes.
  let after = readFigures(pid);
  let counts = start.counts;
  const isSettled = async (): Promise<boolean> => {
    after = readFigures(pid);
    counts = await bed.counts();
    return (
      after.descriptors <= start.figures.descriptors + SPARE_DESCRIPTORS &&
      after.closeWait <= start.figures.closeWait &&
      counts.webClients <= start.counts.webClients
    );
  };
  await until(isSettled, SETTLE_MS).catch((error: unknown) =>
    found(`the API failed after the attack: ${String(error)}`),
  );
  if (after.descriptors > start.figures.descriptors + SPARE_DESCRIPTORS)
    found(
      `${after.descriptors} descriptors are open ${SETTLE_MS / 1000} s after the attack, ${start.figures.descriptors} were at the start (${after.sockets} of them sockets, ${start.figures.sockets} at the start)`,
    );
  if (after.closeWait > start.figures.closeWait)
    found(
      `${after.closeWait} sockets stay in CLOSE-WAIT (${after.closeWaitPorts.join(', ')}), ${start.figures.closeWait} at the start`,
    );
  if (counts.webClients > start.counts.webClients)
    found(`${counts.webClients} web clients are listed, ${start.counts.webClients} at the start`);
  if (counts.nativeClients !== start.counts.nativeClients)
    found(`${counts.nativeClients} native clients are listed, ${start.counts.nativeClients} at the start`);
  if (after.residentMiB > start.figures.residentMiB + MAX_KEPT_MIB)
    found(
      `${after.residentMiB.toFixed()} MiB are resident after the attack, ${start.figures.residentMiB.toFixed()} at the start`,
    );

  bed.viewers.forEach((viewer, index) => {
    if (viewer.ended !== null)
      found(`the honest viewer of ${index === 0 ? 'the attacked' : 'another'} stream was closed: ${viewer.ended}`);
  });
  const [attacked, other] = during.viewers.map((gaps) => ownGap(gaps, during.control, bed.waitedMs));
  for (const [what, ms] of [
    ['the attacked', attacked?.ownMs ?? 0],
    ['another', other?.ownMs ?? 0],
  ] as const) {
    if (ms >= MAX_GAP_MS) found(`the honest viewer of ${what} stream waited ${ms.toFixed()} ms for a frame`);
  }
  const probes = bed.prober.since(before.sinceMs).filter(({ atMs }) => atMs < attackEndedMs);
  const controlProbes = bed.controlProber.since(before.sinceMs);
  const health = ownGap(
    probes.map(toGap),
    [...controlProbes.map(toGap).filter(({ fromMs, toMs }) => toMs - fromMs >= 100), ...during.control],
    bed.waitedMs,
  );
  if (health.ownMs >= MAX_GAP_MS) found(`/healthz took ${health.ownMs.toFixed()} ms`);
  if (bed.prober.failures > 0) found(`/healthz failed ${bed.prober.failures} times`);
  bed.prober.failures = 0;

  const peers = [
    ['server', bed.server],
    ['client of the server', bed.clients[0]],
    ['client of the pushed stream', bed.clients[1]],
  ] as const;
  for (const [what, peer] of peers)
    if (!peer.isRunning) found(`the real ${what} has ended: ${peer.stderr.all.slice(-6).join(' | ')}`);
  const [servedAfter, sentAfter] = [bed.framesOf(0), bed.sent];
  if (!(await until(() => bed.framesOf(0) > servedAfter, 10_000)))
    found(`the real client of the server gets no more frames: ${bed.clients[0].stderr.all.slice(-6).join(' | ')}`);
  if (!(await until(() => bed.sent > sentAfter, 10_000))) found('the real server sends no more frames');
  // Repeated frames count even without a publisher, because they prove that the receiver's thread is alive.
  const pushedAfter = bed.framesOf(1);
  if (!(await until(() => bed.framesOf(1) > pushedAfter, 10_000)))
    found(
      `the real client of the pushed stream gets no more frames: ${bed.clients[1].stderr.all.slice(-6).join(' | ')}`,
    );

  const tookMs = probes.map(({ tookMs: ms }) => ms);
  const figures: Figures = {
    healthP50Ms: tookMs.length === 0 ? 0 : percentile(tookMs, 0.5),
    healthP99Ms: tookMs.length === 0 ? 0 : percentile(tookMs, 0.99),
    healthMaxMs: Math.max(0, ...tookMs),
    controlHealthMaxMs: Math.max(0, ...controlProbes.map(({ tookMs: ms }) => ms)),
    gapMs: attacked?.ownMs ?? 0,
    otherGapMs: other?.ownMs ?? 0,
    seenGapMs: Math.max(attacked?.seenMs ?? 0, other?.seenMs ?? 0),
    ownHealthMs: health.ownMs,
    descriptors: [before.figures.descriptors, after.descriptors],
    residentMiB: [before.figures.residentMiB, after.residentMiB],
    clientFrames: [bed.framesOf(0) - before.served, bed.framesOf(1) - before.pushed],
  };
  return { figures, findings };
}

function toGap({ atMs, tookMs }: Probe): Gap {
  return { fromMs: atMs, toMs: atMs + tookMs };
}
