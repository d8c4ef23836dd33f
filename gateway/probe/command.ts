import { parseArgs } from 'node:util';
import { cleanText } from '../../shared/clean-text.ts';
import { GearwayError } from '../../shared/errors.ts';
import { probe } from './probe.ts';

const HELP = `gearway probe ADDRESS [--seconds 5]

Acts as the missing side of a NetGear connection for a few seconds, and reports what it finds.
ADDRESS is as in --client and --source netgear: tcp://127.0.0.1:5567, with ?pattern=1, &secure=1&keys=FOLDER.
Exits with 0 if there are no problems, otherwise with 1.
`;

/**
 * Runs `gearway probe`.
 *
 * @returns the exit status: 0 if there are no problems, otherwise 1.
 * @throws {GearwayError} for invalid arguments.
 */
export async function runProbe(args: string[], write: (text: string) => void): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { seconds: { type: 'string', default: '5' }, help: { type: 'boolean', default: false } },
  });
  if (values.help) {
    write(HELP);
    return 0;
  }
  const [address] = positionals;
  if (address === undefined || positionals.length > 1)
    throw new GearwayError(
      'option-invalid',
      `probe got ${positionals.length} addresses, expected 1: gearway probe tcp://127.0.0.1:5567`,
    );
  const seconds = Number(values.seconds);
  if (!(seconds >= 1 && seconds <= 600))
    throw new GearwayError('option-invalid', `--seconds is ${JSON.stringify(values.seconds)}, expected 1 to 600`);
  const isGood = await probe(address, seconds, ({ isGood: fits, text }) =>
    write(`${fits ? '✓' : '✗'} ${cleanText(text)}\n`),
  );
  write(isGood ? 'No problems found.\n' : 'Problems found (✗).\n');
  return isGood ? 0 : 1;
}
