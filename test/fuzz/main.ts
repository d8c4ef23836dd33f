/**
 * `npm run fuzz`: attacks all inputs of a gateway, and observes its effects on real peers and honest viewers. See
 * docs/security.md.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeMachine } from '../bench/machine.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import type { AttackOrder, AttackReport, Finding } from './attack-messages.ts';
import { type Baseline, type Figures, judge, takeBaseline } from './judge.ts';
import { minimize } from './minimize.ts';
import { perform, parseScripts, runScript, type Script } from './script.ts';
import { createSetup, type Setup, TestBed, until } from './test-bed.ts';
import { formatSlope, isFlat, regress } from './regression.ts';
import { TARGET_NAMES } from './targets.ts';
import { formatTable, type Row } from './table.ts';
import type { World } from './world.ts';

const USAGE = `usage: npm run fuzz -- [--seconds N | --minutes N] [--seed N,N…] [--only NAME,NAME…]
  --seconds, --minutes  total duration of all attacks (60 s)
  --seed                seeds, each with an equal share of the time (1, and today's date as a number)
  --only                targets: ${TARGET_NAMES.join(', ')}
  --input N             the number of the first input, to replay one
  --decoder NAME --path PATH   with --only decoders and --seed: replays one failure
  --replay FILE         sends the scripts of test/.artifacts/fuzz-….json to a new gateway
`;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ARTIFACTS = join(ROOT, 'test/.artifacts');

/** Inputs that take longer than this number of seconds are omitted from short runs. */
const HEAVY_FROM_S = 300;

/** Minimum duration of the attack on one target, because otherwise the start takes longer than the attack. */
const MIN_SLICE_S = 3;

/**
 * Maximum duration of one attack: a long run attacks all targets several times, so that a slow leak shows as a slope.
 */
const MAX_SLICE_S = 60;

const SHUTDOWN_MS = 2000;

/** How long ports stay reserved for viewers that have left, plus a margin of a few seconds. */
const HELD_MS = 36_000;

/**
 * With fewer attacks in the second half of a run, the remaining memory depends more on the target than on a leak.
 */
const MIN_SLOPE_POINTS = 12;

/** Targets alternate, and the size of the heap differs after each target. */
const NEGLIGIBLE_MIB_PER_MINUTE = 0.5;

/** Number of attempts to minimize the inputs that ended a gateway. */
const MAX_REPLAYS = 14;

class UsageError extends Error {}

interface CommandLine {
  readonly seconds: number;
  readonly seeds: readonly number[];
  readonly only: readonly string[];
  readonly first: number;
  readonly replay: AttackOrder['replay'];
  readonly file: string | null;
}

function readCommandLine(): CommandLine {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        seconds: { type: 'string' },
        minutes: { type: 'string' },
        seed: { type: 'string' },
        only: { type: 'string' },
        input: { type: 'string' },
        decoder: { type: 'string' },
        path: { type: 'string' },
        replay: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  if (values.help) throw new UsageError('');
  const number = (name: string, text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value))
      throw new UsageError(`--${name} is ${JSON.stringify(text)}, expected a number`);
    return value;
  };
  const only = values.only?.split(',') ?? TARGET_NAMES;
  const unknown = only.find((name) => !TARGET_NAMES.includes(name));
  if (unknown !== undefined) throw new UsageError(`there is no target ${JSON.stringify(unknown)}`);
  const seconds =
    values.minutes === undefined ? number('seconds', values.seconds ?? '60') : number('minutes', values.minutes) * 60;
  const replay =
    values.decoder === undefined || values.path === undefined
      ? undefined
      : { decoder: values.decoder, path: values.path };
  return {
    seconds,
    only,
    seeds: values.seed?.split(',').map((text) => number('seed', text)) ?? [
      1,
      Number(new Date().toISOString().slice(0, 10).replaceAll('-', '')),
    ],
    first: number('input', values.input ?? '0'),
    replay,
    file: values.replay ?? null,
  };
}

/** Runs one target in a separate process. */
class Attack {
  readonly report: Promise<AttackReport>;
  readonly #child: ChildProcess;

  constructor(order: AttackOrder) {
    this.#child = fork(fileURLToPath(new URL('./attack.ts', import.meta.url)));
    this.report = new Promise((resolve, reject) => {
      this.#child.once('message', (report) => resolve(report as AttackReport));
      this.#child.once('exit', (code) => reject(new Error(`the attacking process ended with ${String(code)}`)));
    });
    this.#child.send(order);
  }

  stop(): void {
    if (this.#child.connected) this.#child.send('stop');
  }
}

interface Slice {
  readonly target: string;
  readonly seed: number;
  readonly seconds: number;
}

/** Divides the time among targets and seeds, in rounds. */
function plan({ seconds, seeds, only }: CommandLine): readonly Slice[] {
  const perTarget = seconds / only.length;
  const rounds = Math.max(
    1,
    Math.min(Math.ceil(perTarget / MAX_SLICE_S / seeds.length) * seeds.length, Math.floor(perTarget / MIN_SLICE_S)),
  );
  return Array.from({ length: rounds }, (_, round) =>
    only.map((target) => ({ target, seed: seeds[round % seeds.length] ?? 1, seconds: perTarget / rounds })),
  ).flat();
}

interface Run {
  readonly rows: Row[];
  readonly findings: (Finding & { readonly seed: number })[];
  /** Minutes since the start and MiB, after each attack. */
  readonly memory: [minutes: number, mib: number][];
}

async function fuzz(line: CommandLine): Promise<Run> {
  const slices = plan(line);
  const setup = await createSetup(line.seconds >= HEAVY_FROM_S);
  const run: Run = { rows: [], findings: [], memory: [] };
  const next = new Map<string, number>();
  let bed = await start(setup);
  try {
    let started = await takeBaseline(bed);
    for (const { target, seed, seconds } of slices) {
      const key = `${target} ${seed}`;
      const order: AttackOrder = {
        target,
        seed,
        seconds,
        first: target === 'decoders' && line.replay !== undefined ? seed : (next.get(key) ?? line.first),
        world: setup.world,
        ...(line.replay === undefined ? {} : { replay: line.replay }),
      };
      const { report, figures, findings } = await attack(bed, order, started);
      next.set(key, report.next);
      run.findings.push(...findings.map((finding) => ({ ...finding, seed })));
      run.rows.push({ target, seed, inputs: report.inputs, answers: report.answers, figures });
      if (figures !== null) run.memory.push([performance.now() / 60_000, figures.residentMiB[1]]);
      process.stderr.write(
        `  ${target} (seed ${seed}): ${report.inputs} inputs, ${findings.length === 0 ? 'nothing found' : `${findings.length} found`}\n`,
      );
      for (const { what } of findings) process.stderr.write(`    ${what.slice(0, 500)}\n`);
      // The next target is judged separately.
      if (findings.some(({ what }) => isLasting(what))) {
        if (!bed.gateway.isRunning) await makeSmaller(setup, report, run, target, seed);
        await bed[Symbol.asyncDispose]().catch(() => undefined);
        bed = await start(setup);
        started = await takeBaseline(bed);
        run.memory.splice(0);
      }
    }
    run.findings.push(...(await judgeEnd(bed)).map((finding) => ({ ...finding, seed: 0 })));
    const late = run.memory.slice(Math.floor(run.memory.length / 2));
    if (late.length >= MIN_SLOPE_POINTS && !isFlat(regress(late), NEGLIGIBLE_MIB_PER_MINUTE))
      run.findings.push({
        target: 'end',
        input: null,
        seed: 0,
        what: `RSS after each attack rises over the second half of the run: ${formatSlope(regress(late), 'MiB/min')}`,
      });
  } finally {
    await bed[Symbol.asyncDispose]().catch((error: unknown) =>
      run.findings.push({ target: 'end', input: null, seed: 0, what: String(error) }),
    );
  }
  return run;
}

/** Whether the findings invalidate the measurement of the next target. */
function isLasting(what: string): boolean {
  return /ended|descriptors|CLOSE-WAIT|no more frames|was closed|resident|listed/.test(what);
}

/** Starts the test bed and lets it warm up. */
async function start(setup: Setup): Promise<TestBed> {
  const bed = await TestBed.start(setup);
  await delay(1500);
  return bed;
}

async function attack(
  bed: TestBed,
  order: AttackOrder,
  started: Baseline,
): Promise<{ report: AttackReport; figures: Figures | null; findings: readonly Finding[] }> {
  const running = new Attack(order);
  const before = await takeBaseline(bed);
  const ended = bed.gateway.exited.then(() => running.stop());
  const report = await running.report;
  void ended;
  const judged = await judge(bed, order.target, started, before);
  const findings = [
    ...report.findings,
    ...judged.findings.map((finding) => ({ ...finding, scripts: report.lastScripts })),
  ];
  return { report, figures: judged.figures, findings };
}

/** Checks after all attacks that ports are released, and that SIGTERM ends the process in time. */
async function judgeEnd(bed: TestBed): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const held = async (): Promise<boolean> => (await bed.counts()).held === 0;
  if (!(await until(held, HELD_MS)))
    findings.push({
      target: 'end',
      input: null,
      what: `${(await bed.counts()).held} ports are still reserved ${HELD_MS / 1000} s after the last viewer`,
    });
  const startMs = performance.now();
  bed.gateway.signal('SIGTERM');
  const code = await Promise.race([bed.gateway.exited, delay(10_000, 'none' as const)]);
  const tookMs = performance.now() - startMs;
  if (code !== 0) findings.push({ target: 'end', input: null, what: `SIGTERM ended the gateway with ${String(code)}` });
  if (tookMs > SHUTDOWN_MS)
    findings.push({
      target: 'end',
      input: null,
      what: `SIGTERM took ${tookMs.toFixed()} ms, expected at most ${SHUTDOWN_MS}`,
    });
  return findings;
}

/** Replays the last inputs against new gateways until no further input can be omitted. */
async function makeSmaller(setup: Setup, report: AttackReport, run: Run, target: string, seed: number): Promise<void> {
  const scripts = parseScripts(report.lastScripts);
  const smallest = await minimize(scripts, (some) => ends(setup, some), MAX_REPLAYS);
  run.findings.push({
    target,
    seed,
    input: null,
    what: `the smallest input that ended the gateway: ${smallest.length} of ${scripts.length} connections: ${smallest
      .slice(0, 3)
      .map(({ what }) => what)
      .join('; ')}`,
    scripts: JSON.stringify(smallest.slice(0, 20).map(describeScript)),
  });
}

function describeScript({ what, port, steps }: Script): unknown {
  return {
    what,
    port,
    steps: steps.map((step) =>
      step.kind === 'send' ? { send: Buffer.from(step.bytes).subarray(0, 2000).toString('hex') } : step,
    ),
  };
}

/** Whether these scripts end a gateway that has just started. */
async function ends(setup: Setup, scripts: readonly Script[]): Promise<boolean> {
  const gateway = new GatewayProcess(...setup.args);
  try {
    await gateway.url;
    await replay(setup.world, scripts);
    return !gateway.isRunning || (await Promise.race([gateway.exited.then(() => true), delay(700, false)]));
  } finally {
    await gateway[Symbol.asyncDispose]().catch(() => undefined);
  }
}

async function replay(world: World, scripts: readonly Script[]): Promise<void> {
  const { signal } = new AbortController();
  setMaxListeners(0, signal);
  const fakes = new Set(world.fakes.map(({ port }) => port));
  for (let at = 0; at < scripts.length; at += 16)
    await Promise.all(
      scripts
        .slice(at, at + 16)
        .map((script) => (fakes.has(script.port) ? acceptOnce(script, signal) : runScript(script, signal))),
    );
}

async function acceptOnce(script: Script, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const server = createServer((socket) => {
      server.close();
      void perform(script, socket, signal).then(() => resolve());
    });
    server.on('error', () => resolve());
    server.listen(script.port, '127.0.0.1');
    setTimeout(() => {
      server.close();
      resolve();
    }, 3000).unref();
  });
}

async function writeArtifacts({ findings }: Run): Promise<string[]> {
  await mkdir(ARTIFACTS, { recursive: true });
  return Promise.all(
    findings.map(async ({ scripts, ...finding }, index) => {
      if (scripts === undefined) return '';
      const path = join(ARTIFACTS, `fuzz-${finding.target}-${finding.seed}-${index}.json`);
      await writeFile(path, JSON.stringify({ ...finding, scripts: JSON.parse(scripts) as unknown }, null, 1));
      return path;
    }),
  );
}

async function main(): Promise<void> {
  const line = readCommandLine();
  if (line.file !== null) {
    const { scripts } = JSON.parse(await readFile(line.file, 'utf8')) as { scripts: unknown };
    const setup = await createSetup(true);
    console.log(
      (await ends(setup, parseScripts(JSON.stringify(scripts)))) ? 'the gateway ended' : 'the gateway continues',
    );
    return;
  }
  console.log(
    `fuzz: ${line.seconds} s, seeds ${line.seeds.join(' and ')}, targets ${line.only.join(', ')}\n${describeMachine()}`,
  );
  const run = await fuzz(line);
  console.log(formatTable(run.rows, run.memory));
  const paths = await writeArtifacts(run);
  run.findings.forEach((finding, index) => {
    const again =
      finding.replay ??
      `--only ${finding.target} --seed ${finding.seed}${finding.input === null ? '' : ` --input ${finding.input}`}`;
    console.log(
      `\nFAILED fuzz ${finding.target}: ${finding.what.replaceAll(/\s+/g, ' ')}\n  replay: npm run fuzz -- ${again}${paths[index] === '' ? '' : `\n  inputs: ${paths[index]}`}`,
    );
  });
  const targets = new Set(run.rows.map(({ target }) => target));
  for (const { target } of run.findings) targets.delete(target);
  console.log(`\n${targets.size} passed, ${run.findings.length} failed`);
  process.exitCode = run.findings.length === 0 ? 0 : 1;
}

// Leaving by `exit` ends the processes of the test bed too.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

main().then(
  () => process.exit(),
  (error: unknown) => {
    if (!(error instanceof UsageError)) throw error;
    const isMistake = error.message !== '';
    (isMistake ? process.stderr : process.stdout).write(isMistake ? `${error.message}\n${USAGE}` : USAGE);
    process.exit(isMistake ? 2 : 0);
  },
);
