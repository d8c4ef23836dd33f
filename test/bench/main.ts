/** `npm run bench`, `npm run bench -- NAME`: measures and prints, each benchmark in separate processes. */
import { parseArgs } from 'node:util';
import type { Bench, BenchOptions } from './bench.ts';
import { BENCHES } from './benches.ts';
import { describeMachine } from './machine.ts';
import { writeDocs, writeFigures } from './report-files.ts';
import { formatReport } from './report-text.ts';

const USAGE = `usage: npm run bench -- [NAME…] [--rounds N] [--seconds N] [--viewers 1,10,100] [--docs] [--cpu-prof]
Without a name, all of them; --docs writes tables and plots into docs/performance.md too.
${BENCHES.map(({ name, summary, effort }) => `  ${name.padEnd(10)} ${summary} (${effort.rounds} rounds of ${effort.seconds} s)`).join('\n')}
`;

class UsageError extends Error {}

interface CommandLine {
  readonly benches: readonly Bench[];
  readonly optionsOf: (bench: Bench) => BenchOptions;
  readonly docs: boolean;
}

function readCommandLine(): CommandLine {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        viewers: { type: 'string' },
        docs: { type: 'boolean', default: false },
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
  const rounds = values.rounds === undefined ? null : integer('rounds', values.rounds);
  const seconds = values.seconds === undefined ? null : positive('seconds', values.seconds);
  const viewers = values.viewers?.split(',').map((text) => integer('viewers', text)) ?? null;
  const optionsOf = ({ effort }: Bench): BenchOptions => ({
    rounds: rounds ?? effort.rounds,
    seconds: seconds ?? effort.seconds,
    viewers,
    cpuProfile: values['cpu-prof'],
  });
  return { benches: benches.length === 0 ? BENCHES : benches, optionsOf, docs: values.docs };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < 1e6))
    throw new UsageError(`--${name} is ${JSON.stringify(text)}, expected a number above 0`);
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
  const { benches, optionsOf, docs } = readCommandLine();
  for (const bench of benches) {
    const options = optionsOf(bench);
    const machine = describeMachine();
    process.stderr.write(`${bench.name}: ${options.rounds} rounds of ${options.seconds} s …\n`);
    const report = await bench.run(options);
    console.log(`# ${bench.name}\n${formatReport(report, machine)}`);
    console.log(`All rounds: ${await writeFigures(bench.name, machine, report)}\n`);
    if (docs) await writeDocs(bench.name, `${machine}; ${options.rounds} rounds of ${options.seconds} s`, report);
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  const isMistake = error.message !== '';
  (isMistake ? process.stderr : process.stdout).write(isMistake ? `${error.message}\n${USAGE}` : USAGE);
  process.exitCode = isMistake ? 2 : 0;
}
