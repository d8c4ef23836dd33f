import { parseArgs } from 'node:util';
import { errorText } from '../../shared/errors.ts';
import type { Formats } from './config-file.ts';
import type { GatewayOptions } from './gateway-options.ts';
import { DEFAULT_CONFIG_FILE, loadOptions } from './load-config.ts';
import { ConfigError, formatProblem } from './problem.ts';
import { formatJsonSchema } from './reference.ts';

interface CheckOptions {
  readonly formats: Formats;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Checks the options as a whole, and returns the names of the streams. */
  readonly check: (options: GatewayOptions) => readonly string[];
}

/**
 * Runs `gearway check-config [FILE]`: prints each problem as `FILE:LINE:COLUMN: message`.
 *
 * @returns the exit status: 0 if the file is valid, 1 otherwise.
 * @throws an error of `parseArgs`.
 */
export async function runCheckConfig(
  args: string[],
  { formats, variables, check }: CheckOptions,
  print: (text: string) => unknown,
): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { schema: { type: 'boolean' } } });
  if (values.schema === true) {
    print(formatJsonSchema());
    return 0;
  }
  const [file = DEFAULT_CONFIG_FILE] = positionals;
  let streams: readonly string[] = [];
  try {
    const { warnings } = await loadOptions(file, {
      formats,
      variables,
      given: [],
      check: (options) => (streams = check(options)),
    });
    for (const warning of warnings) print(`warning: ${warning}\n`);
    print(
      `${file} is valid: ${streams.length} ${streams.length === 1 ? 'stream' : 'streams'}, ${streams.join(', ')}\n`,
    );
    return 0;
  } catch (error) {
    if (error instanceof ConfigError) for (const problem of error.problems) print(`${formatProblem(file, problem)}\n`);
    else print(`${file}: ${errorText(error)}\n`);
    return 1;
  }
}
