/** The whole gateway with a NetGear source and native clients, and a meter for its encoders. Linux only. */
import { readFileSync } from 'node:fs';
import { createGateway } from '../../gateway/create-gateway.ts';
import { answerParent } from './processes.ts';
import { type Usage, UsageMeter } from './usage-meter.ts';

/** Unit of processor times in /proc. */
const TICK_MS = 10;

const SAMPLE_MS = 100;

/** Activity of the gateway's encoders in a measuring window. */
export interface EncoderUsage {
  /** Maximum number of encoders of the same step at the same time. */
  readonly perStep: number;
  /** Maximum number of encoders at the same time. */
  readonly atOnce: number;
  /** Processor time of the encoders that ran at the end. */
  readonly cpuMs: number;
}

interface Encoder {
  readonly step: string;
  readonly cpuMs: number;
}

/** The running FFmpeg processes that this process has started, by PID. */
function encoders(): Map<number, Encoder> {
  const found = new Map<number, Encoder>();
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').split(' ');
  for (const pid of children.filter((text) => text.trim() !== '')) {
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      const [, state = '', rest = ''] = /^\d+ \(.*\) (\S) (.*)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
      if (!args.includes('libx264') || state === 'Z') continue;
      const step = `${args[args.indexOf('-vf') + 1]} ${args[args.indexOf('-b:v') + 1]}`;
      // User and system time are fields 14 and 15; `rest` begins with field 4.
      const [user = '0', system = '0'] = rest.split(' ').slice(10, 12);
      found.set(Number(pid), { step, cpuMs: (Number(user) + Number(system)) * TICK_MS });
    } catch {
      // The process has just ended.
    }
  }
  return found;
}

const meter = new UsageMeter();
let before = new Map<number, Encoder>();
let perStep = 0;
let atOnce = 0;
let timer: NodeJS.Timeout | undefined;

function sample(): void {
  const steps = [...encoders().values()].map(({ step }) => step);
  atOnce = Math.max(atOnce, steps.length);
  for (const step of steps) perStep = Math.max(perStep, steps.filter((other) => other === step).length);
}

const handlers = {
  /** @returns the port. */
  async listen(sourcePort: number, clientPorts: readonly number[]): Promise<number> {
    const gateway = await createGateway({
      port: 0,
      source: `netgear:tcp://127.0.0.1:${sourcePort}?pattern=1`,
      clients: clientPorts.map((port) => `tcp://127.0.0.1:${port}?pattern=1`),
    });
    const { port } = await gateway.listen();
    return port;
  },
  start(): void {
    [perStep, atOnce] = [0, 0];
    before = encoders();
    sample();
    timer = setInterval(sample, SAMPLE_MS);
    meter.start();
  },
  stop(): Usage & EncoderUsage {
    const usage = meter.stop();
    clearInterval(timer);
    sample();
    let cpuMs = 0;
    for (const [pid, encoder] of encoders()) cpuMs += encoder.cpuMs - (before.get(pid)?.cpuMs ?? 0);
    return { ...usage, perStep, atOnce, cpuMs };
  },
};

export type AudienceGateway = typeof handlers;

answerParent(handlers);
