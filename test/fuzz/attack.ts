/**
 * The attacking process: runs one target for a few seconds, then reports over IPC. Separate from the watching process, so
 * that its work does not delay measurements.
 */
import { setMaxListeners } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { setPriority } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import type { AttackOrder, AttackReport, Finding } from './attack-messages.ts';
import { createSamples } from './pictures.ts';
import { Random } from './random.ts';
import { formatScripts, type Outcome, perform, runScript, type Script } from './script.ts';
import type { Target } from './target.ts';
import { check, createDecoders, type Decoder } from './targets/decoders.ts';
import { createTarget } from './targets.ts';

/**
 * Lower priority than the gateway and its observers, because the machine is shared, and the figures of a starved
 * gateway prove nothing.
 */
const NICE = 10;

/** Number of inputs that are kept for a failure that is detected later. */
const MAX_LAST = 150;

/** Maximum number of findings: further ones mostly repeat earlier ones. */
const MAX_FINDINGS = 20;

const stopping = new AbortController();
// Each running connection adds a listener.
setMaxListeners(0, stopping.signal);

process.on('message', (message: AttackOrder | 'stop') => {
  if (message === 'stop') stopping.abort();
  else void run(message);
});
// Without the watching process, there is no verdict.
process.on('disconnect', () => process.exit(1));

async function run(order: AttackOrder): Promise<void> {
  setPriority(NICE);
  const report =
    order.target === 'decoders'
      ? await attackDecoders(order)
      : await attackSockets(order, createTarget(order.target, await createSamples()));
  process.send?.(report, () => process.disconnect());
}

class Tally {
  readonly #order: AttackOrder;
  readonly #answers = new Map<string, number>();
  readonly #last: (readonly Script[])[] = [];
  readonly findings: Finding[] = [];
  inputs = 0;
  next: number;

  constructor(order: AttackOrder) {
    this.#order = order;
    this.next = order.first;
  }

  started(scripts: readonly Script[]): void {
    this.inputs += 1;
    this.#last.push(scripts);
    if (this.#last.length > MAX_LAST) this.#last.shift();
  }

  answered(names: readonly string[]): void {
    for (const name of names) this.#answers.set(name, (this.#answers.get(name) ?? 0) + 1);
  }

  found(finding: Omit<Finding, 'target'>): void {
    if (this.findings.length < MAX_FINDINGS) this.findings.push({ target: this.#order.target, ...finding });
  }

  report(): AttackReport {
    return {
      inputs: this.inputs,
      next: this.next,
      answers: Object.fromEntries([...this.#answers].sort(([a], [b]) => a.localeCompare(b))),
      findings: this.findings,
      lastScripts: formatScripts(this.#last.flat()),
    };
  }
}

async function attackSockets(order: AttackOrder, target: Target): Promise<AttackReport> {
  const tally = new Tally(order);
  const { seed, world } = order;
  const timer = setTimeout(() => stopping.abort(), order.seconds * 1000);
  const take = (): { readonly number: number; readonly scripts: readonly Script[] } => {
    const number = tally.next;
    tally.next += 1;
    const scripts = target.create(new Random(seed, target.name, number), world);
    tally.started(scripts);
    return { number, scripts };
  };
  const ended = (number: number, scripts: readonly Script[], script: Script, outcome: Outcome): void => {
    tally.answered(target.answers(outcome));
    const what = target.judge?.(script, outcome, world) ?? null;
    if (what !== null) tally.found({ input: number, what: `${script.what}: ${what}`, scripts: formatScripts(scripts) });
  };
  const gate = new Gate(target.perSecond);
  if (target.isListening === true) await serve(world, gate, take, ended);
  else {
    await Promise.all(
      Array.from({ length: target.concurrency }, async () => {
        while (!stopping.signal.aborted) {
          await gate.pass();
          const { number, scripts } = take();
          const outcomes = await Promise.all(
            scripts.map(async (script) => ({ script, outcome: await runScript(script, stopping.signal) })),
          );
          for (const { script, outcome } of outcomes) ended(number, scripts, script, outcome);
          // Nothing is listening: the gateway has ended, which the main process reports.
          if (outcomes.every(({ outcome }) => outcome.error === 'ECONNREFUSED')) await delay(50);
        }
      }),
    );
  }
  clearTimeout(timer);
  return tally.report();
}

/** Accepts connections of the gateway, and runs the next script of the port on each. */
async function serve(
  world: AttackOrder['world'],
  gate: Gate,
  take: () => { readonly number: number; readonly scripts: readonly Script[] },
  ended: (number: number, scripts: readonly Script[], script: Script, outcome: Outcome) => void,
): Promise<void> {
  const open = new Set<Promise<void>>();
  const servers = await Promise.all(
    world.fakes.map(
      (fake) =>
        new Promise<Server>((resolve, reject) => {
          const server = createServer((socket: Socket) => {
            const done = (async () => {
              // Registered before the pause: otherwise, a reset during the pause would be an unhandled error.
              socket.on('error', () => undefined);
              await gate.pass();
              let next = take();
              // Inputs are drawn for any port; those for others are skipped, so that a number always identifies the same
              // input.
              for (let tries = 0; tries < 200 && next.scripts[0]?.port !== fake.port; tries += 1) next = take();
              const [script] = next.scripts;
              if (script === undefined || stopping.signal.aborted) {
                socket.destroy();
                return;
              }
              ended(next.number, next.scripts, script, await perform(script, socket, stopping.signal));
            })();
            open.add(done);
            void done.finally(() => open.delete(done));
          });
          server.once('error', reject);
          server.listen(fake.port, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  await new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve(), { once: true }));
  await Promise.all(open);
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
}

/** Limits the rate, with even intervals between calls. */
class Gate {
  readonly #intervalMs: number;
  #nextAtMs = performance.now();

  constructor(perSecond: number) {
    this.#intervalMs = 1000 / perSecond;
  }

  async pass(): Promise<void> {
    const now = performance.now();
    this.#nextAtMs = Math.max(now - 200, this.#nextAtMs + this.#intervalMs);
    if (this.#nextAtMs > now)
      await delay(this.#nextAtMs - now, undefined, { signal: stopping.signal }).catch(() => undefined);
  }
}

/** Number of consecutive inputs per decoder. fast-check minimizes a failing input afterwards. */
const RUNS = 60;

async function attackDecoders(order: AttackOrder): Promise<AttackReport> {
  const tally = new Tally(order);
  const decoders = createDecoders(await createSamples());
  const failed = new Set<string>();
  if (order.replay !== undefined) {
    const { decoder: name, path } = order.replay;
    const wanted = decoders.find((decoder) => decoder.name === name);
    if (wanted === undefined) tally.found({ input: null, what: `there is no decoder ${name}` });
    else await fuzzDecoder(wanted, { seed: order.first, path, endOnFailure: true }, tally);
    return tally.report();
  }
  const deadlineMs = performance.now() + order.seconds * 1000;
  for (let round = 0; performance.now() < deadlineMs; round += 1) {
    for (const decoder of decoders) {
      if (performance.now() > deadlineMs || stopping.signal.aborted) break;
      if (failed.has(decoder.name)) continue;
      const seed = new Random(order.seed, decoder.name, order.first + round).uint32() | 0;
      if (
        !(await fuzzDecoder(
          decoder,
          { seed, numRuns: RUNS, interruptAfterTimeLimit: Math.max(1, deadlineMs - performance.now()) },
          tally,
        ))
      )
        failed.add(decoder.name);
    }
    tally.next = order.first + round + 1;
  }
  return tally.report();
}

/** @returns whether it passed. */
async function fuzzDecoder(decoder: Decoder, parameters: fc.Parameters<[unknown]>, tally: Tally): Promise<boolean> {
  const result = await fc.check(
    fc.asyncProperty(decoder.inputs, (input) => check(decoder, input)),
    { timeout: 60_000, ...parameters },
  );
  tally.inputs += result.numRuns;
  tally.answered([result.failed ? 'failed' : 'passed']);
  if (!result.failed) return true;
  const [counterexample] = result.counterexample ?? [];
  tally.found({
    input: null,
    what: `${decoder.name}: ${String(result.errorInstance)}`,
    replay: `--only decoders --decoder ${JSON.stringify(decoder.name)} --seed ${result.seed} --path ${JSON.stringify(result.counterexamplePath)}`,
    scripts: JSON.stringify({ decoder: decoder.name, input: describeInput(counterexample) }),
  });
  return false;
}

function describeInput(input: unknown): unknown {
  if (input instanceof Uint8Array) return { base64: Buffer.from(input).toString('base64') };
  if (Array.isArray(input)) return (input as readonly unknown[]).map(describeInput);
  return typeof input === 'bigint' ? `${input}n` : input;
}
