import { GearwayError, errorText } from '../../shared/errors.ts';
import { cleanText } from '../../shared/clean-text.ts';
import { splitWords } from './ffmpeg/split-words.ts';

/** Parameters of an address that are secrets, up to the next parameter or the end of the word. */
// `keys=` names the folder of CURVE keys, which is not a secret.
const SECRET_PARAMETER = /([?&](?!keys=)[^=&?#\s]{0,64}?(?:pas|pwd|psw|pin|secret|token|auth|key|sig|cred|session|jwt|hash)[^=&?#\s]{0,64}=)([^&\s]*)/gi;

/** The same within a text that is an address as a whole: the value may contain spaces. */
const SECRET_PARAMETER_OF_ADDRESS = new RegExp(SECRET_PARAMETER.source.replace(String.raw`[^&\s]*)`, '[^&]*)'), 'gi');

/** Options of FFmpeg whose values are secrets. */
const SECRET_OPTION = /header|cookie|auth|pass|key|secret|token/i;

/** The name of a header, at the beginning of each line of `-headers`; line breaks may be written `\\r\\n`. */
const HEADER_NAME = /(?:^|[\r\n]|\\r\\n)[\w-]+:/g;

/** Words within the value of a secret option that are not secrets. */
const HEADER_WORD = /^(?:basic|bearer|digest|domain|path|secure|httponly|expires)$/i;

/** A user and a password in an address of unknown origin, such as one that FFmpeg prints. */
const CREDENTIALS = /([a-z][a-z0-9+.-]{0,15}:\/\/[^\s/?#@:]*):(\S*)@/gi;

/** Shorter secrets are words of any sentence. Within an address they are hidden whatever their length. */
const MIN_SECRET_LENGTH = 4;

/** Longer secrets may be cut within, because FFmpeg cuts its lines. */
const LONG_SECRET_LENGTH = 64;

/** What separates the parts of an address, for FFmpeg and other parsers: a password with one of these in it is taken apart, and its parts are printed. */
const DELIMITERS = /[/?#@:[\]\\%&=;,|'"\s]+/;

const HIDDEN = '…';

/** Where the password of an address begins and ends. */
interface Credentials {
  /** What is before the password, after `://`. */
  readonly user: string;
  readonly password: string;
  readonly from: number;
  readonly to: number;
}

/** Takes secrets out of texts. */
export interface Redactor {
  /** Hides the secrets in a text, wherever and however encoded they stand. */
  readonly hide: (text: string) => string;
  /** The error with its secrets hidden, also those of its stack; without its cause, which could contain them. The same error when there are no secrets. */
  readonly error: (error: unknown) => unknown;
}

/**
 * Makes a redactor for everything that is said about some addresses: it knows the passwords, tokens and other secrets in them.
 *
 * @param addresses each with a password from `://USER:` to the last `@`, whatever is between.
 * @param words for FFmpeg: values of options such as `-headers`, and addresses.
 */
export function createRedactor(addresses: readonly string[], words: readonly string[] = []): Redactor {
  const replacements = new Map<string, string>();
  // Possible passwords share most of their parts.
  const added = new Set<string>();
  const addSecret = (secret: string): void => {
    if (added.has(secret)) return;
    added.add(secret);
    for (const variant of variantsOf(secret)) if (variant.length >= MIN_SECRET_LENGTH) replacements.set(variant, HIDDEN);
  };
  for (const address of [...addresses, ...words.filter((word) => word.includes('://'))]) {
    const hidden = hideAddress(address);
    if (hidden === address) continue;
    for (const variant of variantsOf(address)) if (variant !== '') replacements.set(variant, hidden);
    for (const { user, password } of possibleCredentials(address)) {
      addSecret(password);
      // A part of it is taken for a host, a port or a path where the password has a delimiter in it.
      for (const variant of [password, decode(password)]) for (const part of variant.split(DELIMITERS)) addSecret(part);
      for (const variant of variantsOf(password)) replacements.set(`${user}:${variant}@`, `${user}:${HIDDEN}@`);
      for (const pair of [`${user}:${password}`, `${decode(user)}:${decode(password)}`]) addSecret(Buffer.from(pair).toString('base64').replace(/=+$/, ''));
    }
    for (const [, , value = ''] of address.matchAll(SECRET_PARAMETER_OF_ADDRESS)) for (const part of [value, ...value.split(DELIMITERS)]) addSecret(part);
  }
  words.forEach((word, index) => {
    if (!SECRET_OPTION.test(words[index - 1] ?? '')) return;
    addSecret(word);
    for (const part of word.replaceAll(HEADER_NAME, ' ').split(/[\s:;,="'\\]+/)) if (!HEADER_WORD.test(part)) addSecret(part);
  });
  // The longest first: one may be a part of another.
  const listed = [...replacements].sort(([a], [b]) => b.length - a.length);
  const long = listed.filter(([text, hidden]) => hidden === HIDDEN && text.length >= LONG_SECRET_LENGTH).map(([text]) => text);
  const hide = (text: string): string => hideUrls(listed.reduce((result, [secret, hidden]) => result.replaceAll(secret, hidden), long.reduce(hideBeginnings, text)));
  return {
    hide,
    error: (error) => {
      if (listed.length === 0) return error;
      const message = hide(errorText(error));
      if (error instanceof GearwayError) return new GearwayError(error.code, message);
      return Object.assign(new Error(message), error instanceof Error && 'code' in error ? { code: error.code } : {});
    },
  };
}

/** Makes a redactor for one source, by its URL: of all that may be printed before the URL is read. */
export function redactorOfUrls(urls: readonly string[]): Redactor {
  return createRedactor(
    urls.flatMap((url) => {
      const rest = url.replace(/^(?:[A-Za-z0-9_-]{1,64}=)?(?:ffmpeg|directory|netgear|netgear-async|imagezmq|push|test-pattern):/, '');
      const mark = rest.lastIndexOf('?');
      return mark < 0 ? [rest] : [rest.slice(0, mark), rest];
    }),
    urls.flatMap((url) => [...new URLSearchParams(url.slice(url.lastIndexOf('?') + 1)).values()].flatMap(wordsOf)),
  );
}

/** Takes the password and other secrets out of an address: `rtsp://user:…@host/`. */
export function hideAddress(address: string): string {
  const found = credentialsOf(address);
  const hidden = found === null ? address : `${address.slice(0, found.from)}${HIDDEN}${address.slice(found.to)}`;
  return hidden.replaceAll(SECRET_PARAMETER_OF_ADDRESS, `$1${HIDDEN}`);
}

/** Takes passwords and other secrets out of the addresses in a text. */
export function hideUrls(text: string): string {
  return text.replaceAll(CREDENTIALS, `$1:${HIDDEN}@`).replaceAll(SECRET_PARAMETER, `$1${HIDDEN}`);
}

/**
 * Whether the password of an address has characters in it that must be percent-encoded, so that the address is read in another way than its writer
 * meant.
 */
export function hasUnencodedPassword(address: string): boolean {
  const found = credentialsOf(address);
  return found !== null && /[/?#@\s]|%(?![0-9a-f]{2})/i.test(found.password);
}

/** From `://USER:`, or where there is no `://` by mistake from the first colon, to the last `@`. */
function credentialsOf(address: string): Credentials | null {
  const to = address.lastIndexOf('@');
  const scheme = address.indexOf('://');
  // A path of this machine, or a word of ours.
  if (scheme < 0 && /^(?:[/.~]|[A-Za-z]:[\\/]|(?:camera|screen|picamera|lavfi)(?::|$))/.test(address)) return null;
  const start = scheme < 0 ? 0 : scheme + '://'.length;
  const bracket = address[start] === '[' ? Math.max(start, address.indexOf(']', start)) : start;
  const colon = address.indexOf(':', bracket);
  if (colon < 0 || to < colon) return null;
  return { user: address.slice(start, colon), password: address.slice(colon + 1, to), from: colon + 1, to };
}

/** The password may end at each `@`. */
function possibleCredentials(address: string): readonly Credentials[] {
  const found = credentialsOf(address);
  if (found === null) return [];
  const all = [found];
  for (let to = address.indexOf('@', found.from); to >= 0 && to < found.to && all.length < 64; to = address.indexOf('@', to + 1)) {
    all.push({ ...found, password: address.slice(found.from, to), to });
  }
  return all;
}

/** How a secret may be written: as it is, decoded, encoded, escaped, and as programs print what they cannot. */
function variantsOf(secret: string): ReadonlySet<string> {
  const decoded = decode(secret);
  const plain = [secret, decoded, decode(secret.replaceAll('+', ' ')), secret.replaceAll(/\\(.)/gs, '$1')];
  return new Set(
    plain.flatMap((text) => {
      // Programs get no halves of surrogate pairs.
      const whole = Buffer.from(text).toString();
      const encoded = [encodeURIComponent(whole), encodeURI(whole)];
      return [
        text,
        whole,
        ...encoded,
        ...encoded.map((each) => each.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())),
        JSON.stringify(text).slice(1, -1),
        // Control characters in FFmpeg's lines, and in ours.
        text.replaceAll(/\p{Cc}/gu, '?'),
        text.replaceAll(/\p{Cc}/gu, ' ').trim(),
        cleanText(text, Infinity),
      ];
    }),
  );
}

/** Decodes what is percent-encoded; a lone % stands for itself. */
function decode(text: string): string {
  return text.replaceAll(/(?:%[0-9a-f]{2})+/gi, (codes) => {
    try {
      return decodeURIComponent(codes);
    } catch {
      return Buffer.from(codes.replaceAll('%', ''), 'hex').toString('latin1');
    }
  });
}

/** Hides a secret also where the text has only its beginning. */
function hideBeginnings(text: string, secret: string): string {
  const beginning = secret.slice(0, LONG_SECRET_LENGTH / 4);
  let result = text;
  for (let at = result.indexOf(beginning); at >= 0; at = result.indexOf(beginning, at + HIDDEN.length)) {
    let to = at + beginning.length;
    while (to < result.length && result[to] === secret[to - at]) to += 1;
    result = `${result.slice(0, at)}${HIDDEN}${result.slice(to)}`;
  }
  return result;
}

/** The words of `inputArgs`, also where a quote does not end. */
export function wordsOf(text: string): readonly string[] {
  try {
    return splitWords(text);
  } catch {
    return text.split(/[\s'"]+/);
  }
}
