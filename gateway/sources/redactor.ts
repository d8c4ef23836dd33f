import { GearwayError, errorText } from '../../shared/errors.ts';
import { cleanText } from '../../shared/clean-text.ts';
import { MAX_SOURCE_URL_LENGTH } from '../config/source-url.ts';
import { splitWords } from './ffmpeg/split-words.ts';

/** URL parameters with secret values, up to the next parameter or the end of the word. */
// `keys=` is not included: it is the folder with CURVE keys.
const SECRET_PARAMETER =
  /([?&](?!keys=)[^=&?#\s]{0,64}?(?:pas|pwd|psw|pin|secret|token|auth|key|sig|cred|session|jwt|hash)[^=&?#\s]{0,64}=)([^&\s]*)/gi;

/** URL parameters with secret values in a text that is an address, whose values may contain spaces. */
const SECRET_PARAMETER_OF_ADDRESS = new RegExp(SECRET_PARAMETER.source.replace(String.raw`[^&\s]*)`, '[^&]*)'), 'gi');

/** Options of FFmpeg with secret values. */
const SECRET_OPTION = /header|cookie|auth|pass|key|secret|token/i;

/** A header name at the beginning of a line of `-headers`; line breaks may be escaped as `\\r\\n`. */
const HEADER_NAME = /(?:^|[\r\n]|\\r\\n)[\w-]+:/g;

/** Words within the value of a secret option that are not secrets. */
const HEADER_WORD = /^(?:basic|bearer|digest|domain|path|secure|httponly|expires)$/i;

/** User and password in any address, such as one printed by FFmpeg. */
const CREDENTIALS = /([a-z][a-z0-9+.-]{0,15}:\/\/[^\s/?#@:]*):(\S*)@/gi;

/**
 * Minimum length of secrets that are hidden everywhere; shorter ones occur in ordinary words and are hidden only in
 * addresses.
 */
const MIN_SECRET_LENGTH = 4;

/** Minimum length of secrets whose prefixes are hidden too, because FFmpeg truncates its lines. */
const LONG_SECRET_LENGTH = 64;

/** Maximum number of possible passwords of an address, and of their characters. */
const MAX_PASSWORDS = 64;
const MAX_PASSWORD_CHARACTERS = 32_768;

/** Delimiters at which address parsers such as FFmpeg's split a password; the parsers print the parts in messages. */
const DELIMITERS = /[/?#@:[\]\\%&=;,|'"\s]+/;

const HIDDEN = '…';

/** An address with the position of its password. */
interface Credentials {
  /** The text between `://` and the password. */
  readonly user: string;
  readonly password: string;
  readonly from: number;
  readonly to: number;
}

/** Removes secrets from texts. */
export interface Redactor {
  /** Hides the secrets in a text, in any encoding. */
  readonly hide: (text: string) => string;
  /**
   * A copy of an error with hidden secrets and without its cause, which could contain them; the same error if there are
   * no secrets.
   */
  readonly error: (error: unknown) => unknown;
}

/**
 * Creates a redactor for the passwords, tokens and other secrets in some addresses.
 *
 * @param addresses the password is everything from `://USER:` to the last `@`.
 * @param words FFmpeg's arguments: values of options such as `-headers`, and addresses.
 *   A text longer than {@link MAX_SOURCE_URL_LENGTH} is not examined, but hidden as a whole.
 */
export function createRedactor(addresses: readonly string[], words: readonly string[] = []): Redactor {
  const replacements = new Map<string, string>();
  // Avoids repeated work, because possible passwords share most of their parts.
  const added = new Set<string>();
  const addSecret = (secret: string): void => {
    if (added.has(secret)) return;
    added.add(secret);
    for (const variant of variantsOf(secret))
      if (variant.length >= MIN_SECRET_LENGTH) replacements.set(variant, HIDDEN);
  };
  for (const text of [...addresses, ...words]) if (text.length > MAX_SOURCE_URL_LENGTH) replacements.set(text, HIDDEN);
  const isExamined = ({ length }: string): boolean => length <= MAX_SOURCE_URL_LENGTH;
  for (const address of [...addresses, ...words.filter((word) => word.includes('://'))].filter(isExamined)) {
    const hidden = hideAddress(address);
    if (hidden === address) continue;
    for (const variant of variantsOf(address)) if (variant !== '') replacements.set(variant, hidden);
    for (const { user, password } of possibleCredentials(address)) {
      addSecret(password);
      // If the password contains a delimiter, parsers report a part of it as a host, port or path.
      for (const variant of [password, decode(password)]) for (const part of variant.split(DELIMITERS)) addSecret(part);
      for (const variant of variantsOf(password)) replacements.set(`${user}:${variant}@`, `${user}:${HIDDEN}@`);
      for (const pair of [`${user}:${password}`, `${decode(user)}:${decode(password)}`])
        addSecret(Buffer.from(pair).toString('base64').replace(/=+$/, ''));
    }
    for (const [, , value = ''] of address.matchAll(SECRET_PARAMETER_OF_ADDRESS))
      for (const part of [value, ...value.split(DELIMITERS)]) addSecret(part);
  }
  words.forEach((word, index) => {
    if (!SECRET_OPTION.test(words[index - 1] ?? '') || !isExamined(word)) return;
    addSecret(word);
    for (const part of word.replaceAll(HEADER_NAME, ' ').split(/[\s:;,="'\\]+/))
      if (!HEADER_WORD.test(part)) addSecret(part);
  });
  // Longest first, because one secret may be a part of another.
  const listed = [...replacements].sort(([a], [b]) => b.length - a.length);
  const long = listed
    .filter(([text, hidden]) => hidden === HIDDEN && text.length >= LONG_SECRET_LENGTH)
    .map(([text]) => text);
  const hide = (text: string): string =>
    hideUrls(
      listed.reduce((result, [secret, hidden]) => result.replaceAll(secret, hidden), long.reduce(hideBeginnings, text)),
    );
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

/** Creates a redactor for source URLs, for messages that are printed before the URLs have been parsed. */
export function redactorOfUrls(urls: readonly string[]): Redactor {
  return createRedactor(
    urls.flatMap((url) => {
      const rest = url.replace(
        /^(?:[A-Za-z0-9_-]{1,64}=)?(?:ffmpeg|mjpeg|image|directory|netgear|netgear-async|imagezmq|push|test-pattern):/,
        '',
      );
      const mark = rest.lastIndexOf('?');
      return mark < 0 ? [rest] : [rest.slice(0, mark), rest];
    }),
    urls.flatMap((url) => [...new URLSearchParams(url.slice(url.lastIndexOf('?') + 1)).values()].flatMap(wordsOf)),
  );
}

/** Hides the password and other secrets in an address: `rtsp://user:…@host/`. */
export function hideAddress(address: string): string {
  const found = credentialsOf(address);
  const hidden = found === null ? address : `${address.slice(0, found.from)}${HIDDEN}${address.slice(found.to)}`;
  return hidden.replaceAll(SECRET_PARAMETER_OF_ADDRESS, `$1${HIDDEN}`);
}

/** Hides passwords and other secrets in all addresses in a text. */
export function hideUrls(text: string): string {
  return text.replaceAll(CREDENTIALS, `$1:${HIDDEN}@`).replaceAll(SECRET_PARAMETER, `$1${HIDDEN}`);
}

/**
 * Whether the password of an address contains characters that should be percent-encoded, so that parsers misread the
 * address.
 */
export function hasUnencodedPassword(address: string): boolean {
  const found = credentialsOf(address);
  return found !== null && /[/?#@\s]|%(?![0-9a-f]{2})/i.test(found.password);
}

/** The password from `://USER:`, or from the first colon if `://` is missing by mistake, to the last `@`. */
function credentialsOf(address: string): Credentials | null {
  const to = address.lastIndexOf('@');
  const scheme = address.indexOf('://');
  // The text is a local path, or a keyword of `ffmpeg:`.
  if (scheme < 0 && /^(?:[/.~]|[A-Za-z]:[\\/]|(?:camera|screen|picamera|lavfi)(?::|$))/.test(address)) return null;
  const start = scheme < 0 ? 0 : scheme + '://'.length;
  const bracket = address[start] === '[' ? Math.max(start, address.indexOf(']', start)) : start;
  const colon = address.indexOf(':', bracket);
  if (colon < 0 || to < colon) return null;
  return { user: address.slice(start, colon), password: address.slice(colon + 1, to), from: colon + 1, to };
}

/** All possible passwords, because each `@` may be the end of the password. */
function possibleCredentials(address: string): readonly Credentials[] {
  const found = credentialsOf(address);
  if (found === null) return [];
  const all = [found];
  let characters = found.password.length;
  for (let to = address.indexOf('@', found.from); to >= 0 && to < found.to; to = address.indexOf('@', to + 1)) {
    characters += to - found.from;
    if (all.length === MAX_PASSWORDS || characters > MAX_PASSWORD_CHARACTERS) break;
    all.push({ ...found, password: address.slice(found.from, to), to });
  }
  return all;
}

/** Spellings of a secret: unmodified, decoded, encoded, escaped, and with unprintable characters replaced. */
function variantsOf(secret: string): ReadonlySet<string> {
  const decoded = decode(secret);
  const plain = new Set([secret, decoded, decode(secret.replaceAll('+', ' ')), secret.replaceAll(/\\(.)/gs, '$1')]);
  return new Set(
    [...plain].flatMap((text) => {
      // Lone surrogates are replaced when arguments are passed to a program.
      const whole = Buffer.from(text).toString();
      const encoded = [encodeURIComponent(whole), encodeURI(whole)];
      return [
        text,
        whole,
        ...encoded,
        ...encoded.map((each) => each.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())),
        JSON.stringify(text).slice(1, -1),
        // Control characters, as replaced by FFmpeg and by the gateway.
        text.replaceAll(/\p{Cc}/gu, '?'),
        text.replaceAll(/\p{Cc}/gu, ' ').trim(),
        cleanText(text, Infinity),
      ];
    }),
  );
}

/** Decodes percent-encoding; a single % is kept. */
function decode(text: string): string {
  return text.replaceAll(/(?:%[0-9a-f]{2})+/gi, (codes) => {
    try {
      return decodeURIComponent(codes);
    } catch {
      return Buffer.from(codes.replaceAll('%', ''), 'hex').toString('latin1');
    }
  });
}

/** Hides prefixes of a long secret. */
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

/** The words of `inputArgs`, even if a quote is not closed. */
export function wordsOf(text: string): readonly string[] {
  try {
    return splitWords(text);
  } catch {
    return text.split(/[\s'"]+/);
  }
}
