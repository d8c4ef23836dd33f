import { parseArgs } from 'node:util';
import { cleanText } from '../../shared/clean-text.ts';
import { GearwayError } from '../../shared/errors.ts';
import { probe } from './probe.ts';

const HELP = `gearway probe ADDRESS [--seconds 5]

Plays the missing half of a NetGear pair for a few seconds, and says what is there and what does not fit.
ADDRESS is what --client and --source netgear: take: tcp://127.0.0.1:5567, with ?pattern=1, &secure=1&keys=FOLDER.
Ends with 0 when all is well, with 1 when something is not.
`;

/**
 * Runs `gearway probe`.
 *
 * @returns the exit code: 0 good, 1 bad.
 * @throws {GearwayError} for arguments that make no sense.
 */
export async function runProbe(args: string[], write: (text: string) => void): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { seconds: { type: 'string', default: '5' }, help: { type: 'boolean', default: false } } });
  if (values.help) {
    write(HELP);
    return 0;
  }
  const [address] = positionals;
  if (address === undefined || positionals.length > 1) throw new GearwayError('option-invalid', `probe takes one address, ${positionals.length} came: gearway probe tcp://127.0.0.1:5567`);
  const seconds = Number(values.seconds);
  if (!(seconds >= 1 && seconds <= 600)) throw new GearwayError('option-invalid', `--seconds is ${JSON.stringify(values.seconds)}, expected 1 to 600`);
  const isGood = await probe(address, seconds, ({ isGood: fits, text }) => write(`${fits ? '✓' : '✗'} ${cleanText(text)}\n`));
  write(isGood ? 'All is well.\n' : 'Something does not fit: see ✗.\n');
  return isGood ? 0 : 1;
}
