/** Parameters of an address that are secrets. */
const SECRET_PARAMETER = /([?&][^=&#\s]*(?:pass|pwd|secret|token|auth|key|sig|credential)[^=&#\s]*=)[^&#\s'"]*/gi;

/** Options of FFmpeg whose values are secrets. */
const SECRET_OPTION = /header|cookie|auth|pass|key|secret|token/i;

/** Shorter ones are words of any sentence. Within an address they are hidden whatever their length. */
const MIN_SECRET_LENGTH = 4;

const HIDDEN = '…';

/** Takes the passwords out of an address: `rtsp://user:…@host/`. */
export function hideSecrets(address: string): string {
  // Up to the last @ before the path, as FFmpeg reads it: a password may have one.
  return address.replaceAll(/([a-z][a-z0-9+.-]*:\/\/)([^/?#\s]*)@/gi, (_, scheme: string, user: string) => `${scheme}${user.replace(/:.*/s, `:${HIDDEN}`)}@`).replaceAll(SECRET_PARAMETER, `$1${HIDDEN}`);
}

/**
 * Makes a function that hides the secrets of these addresses and FFmpeg options in any text, also where they stand alone.
 *
 * @param args words for FFmpeg.
 */
export function createRedactor(place: string, args: readonly string[]): (text: string) => string {
  const secrets = new Set([place, ...args].flatMap(secretsOf));
  args.forEach((arg, index) => {
    if (SECRET_OPTION.test(args[index - 1] ?? '')) secrets.add(arg);
  });
  // The longest first: one may be a part of another.
  const listed = [...secrets].filter(({ length }) => length >= MIN_SECRET_LENGTH).sort((a, b) => b.length - a.length);
  return (text) => hideSecrets(listed.reduce((hidden, secret) => hidden.replaceAll(secret, HIDDEN), text));
}

function secretsOf(text: string): string[] {
  const passwords = [...text.matchAll(/:\/\/[^/?#\s:]*:([^/?#\s]*)@/g)].map(([, password = '']) => password);
  const parameters = [...text.matchAll(SECRET_PARAMETER)].map(([all, name = '']) => all.slice(name.length));
  return [...passwords, ...parameters].flatMap((secret) => [secret, decoded(secret)]);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone % stands for itself
  }
}
