import { cleanText } from '../../shared/clean-text.ts';
import { redactorOfUrls } from '../sources/redactor.ts';

/** Options whose values are secrets. */
const SECRET_OPTION = /^--(?:[a-z-]*token|reserve)$/;

/**
 * Formats the command line without secrets, as the title of the process. Every user can read the arguments of all
 * processes (`ps`); on Linux and macOS the title replaces them.
 *
 * @param args the command's arguments.
 */
export function formatProcessTitle(args: readonly string[]): string {
  const { hide } = redactorOfUrls(args);
  const words = args.map((arg, index) => {
    const [, option = '', value] = /^(--[a-z-]+)=(.*)$/s.exec(arg) ?? [];
    if (value !== undefined && SECRET_OPTION.test(option)) return `${option}=…`;
    return SECRET_OPTION.test(args[index - 1] ?? '') ? '…' : hide(arg);
  });
  return cleanText(['gearway', ...words].join(' '));
}
