import { DECLARED_OPTIONS, type DeclaredOption } from './flags.ts';

/** Width of the first column, and of the page. */
const COLUMN = 26;
const WIDTH = 120;

const COMMANDS = `
  gearway check-config [FILE]   checks a configuration file (gateway.yaml); --schema prints its JSON Schema
  gearway token [NAME]          creates a token or user for the configuration file
  gearway probe ADDRESS         diagnoses a NetGear address
  gearway devices               lists cameras and screens, each with its --source
`;

/** Formats the text of `gearway --help` from the schema. */
export function formatHelp(): string {
  const options = [
    formatOption(
      '--config FILE',
      'configuration file (gateway.yaml, if there is one); its options, and environment variables: docs/configuration.md',
    ),
    ...DECLARED_OPTIONS.map((option) => formatOption(signature(option), meaning(option))),
    formatOption('--help, --version', ''),
  ];
  return `Gearway: NetGear streams in the browser

  gearway [options]                      (from a checkout: npm start -- [options])

${options.join('\n')}
${COMMANDS}`;
}

function signature({ schema, flag: { name, value } }: DeclaredOption): string {
  const single = `--${name}${value === undefined ? '' : ` ${value}`}`;
  return schema.secret === true ? `${single}, --${name}-file FILE` : single;
}

function meaning({ schema, variable, flag: { help, multiple = false, perStream = false } }: DeclaredOption): string {
  const byDefault =
    typeof schema.default === 'string' || typeof schema.default === 'number' ? ` (${schema.default})` : '';
  const repeatable = multiple ? `; repeatable${perStream ? ', as NAME=… for one stream' : ''}` : '';
  const secret = schema.secret === true ? `; or set ${variable}: other users can see arguments` : '';
  return `${help}${byDefault}${repeatable}${secret}`;
}

function formatOption(name: string, text: string): string {
  const lines = wrap(text, WIDTH - COLUMN);
  const head = `  ${name}`;
  const isLong = head.length > COLUMN - 2;
  const rest = (isLong ? lines : lines.slice(1)).map((line) => `${' '.repeat(COLUMN)}${line}`);
  return [isLong ? head : `${head.padEnd(COLUMN)}${lines[0] ?? ''}`.trimEnd(), ...rest].join('\n');
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, ...(line === '' ? [] : [line])];
}
