/** `npm run bench`, `npm run bench -- NAME`: measures and prints, each benchmark in processes of its own. */
import { parseArgs } from 'node:util';
import type { Bench, BenchOptions } from './bench.ts';
import { fanOut } from './fan-out.ts';

const BENCHES: readonly Bench[] = [fanOut];

const USAGE = `usage: npm run bench -- [NAME…] [--rounds 10] [--seconds 2] [--viewers 1,10,100] [--cpu-prof]
Without a name, all of them:
${BENCHES.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`).join('\n')}
`;

class UsageError extends Error {}

function readCommandLine(): { benches: readonly Bench[]; options: BenchOptions } {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '10' },
        seconds: { type: 'string', default: '2' },
        viewers: { type: 'string' },
        'cpu-prof': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  if (values.help) throw new UsageError('');
  const benches = positionals.map((name) => {
    const bench = BENCHES.find((candidate) => candidate.name === name);
    if (bench === undefined) throw new UsageError(`there is no benchmark ${JSON.stringify(name)}`);
    return bench;
  });
  const options = {
    rounds: integer('rounds', values.rounds),
    seconds: positive('seconds', values.seconds),
    viewers: values.viewers?.split(',').map((text) => integer('viewers', text)) ?? null,
    cpuProfile: values['cpu-prof'],
  };
  return { benches: benches.length === 0 ? BENCHES : benches, options };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < 1e6)) throw new UsageError(`--${name} is ${JSON.stringify(text)}, expected a number above 0`);
  return value;
}

function integer(name: string, text: string): number {
  const value = positive(name, text);
  if (!Number.isInteger(value)) throw new UsageError(`--${name} is ${JSON.stringify(text)}, expected whole numbers`);
  return value;
}

// Leaving by `exit` ends the benchmark's processes too.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));
process.once('SIGHUP', () => process.exit(129));

try {
  const { benches, options } = readCommandLine();
  for (const bench of benches) await bench.run(options);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  const isMistake = error.message !== '';
  (isMistake ? process.stderr : process.stdout).write(isMistake ? `${error.message}\n${USAGE}` : USAGE);
  process.exitCode = isMistake ? 2 : 0;
}
