/** Traffic of a real VidGear (test/vectors/, one recording a file) through both codecs, and back. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  decodeFrame,
  encodeFrameHeader,
  type NetGearFrame,
  rewriteFrameHeader,
  TERMINATION,
  TERMINATION_REPLY,
} from '../../gateway/netgear/frame-codec.ts';
import { readJpegMarkers } from '../../gateway/netgear/jpeg-markers.ts';
import { formatPattern, parsePattern } from '../../gateway/netgear/pattern.ts';
import { formatPythonJson, parsePythonJson } from '../../gateway/netgear/python-json.ts';
import { decodeReply } from '../../gateway/netgear/reply-codec.ts';
import { GearwayError } from '../../shared/errors.ts';

interface RecordedPart {
  readonly text?: string;
  readonly base64?: string;
}

interface RecordedArray {
  readonly ndarray: string;
  readonly shape: readonly number[];
  readonly data_base64: string;
}

interface Recording {
  readonly pattern: number;
  readonly options: Readonly<Record<string, unknown>>;
  /** What the server's user gave to `send()`. */
  readonly sends?: readonly { readonly dtype: string; readonly shape: readonly number[]; readonly data_base64: string; readonly message_as_python_json: string }[];
  readonly wire?: readonly { readonly endpoint: number; readonly parts: readonly RecordedPart[] }[];
  /** What the client's user gave to `recv(return_data=…)`, and what the client answered. */
  readonly replies?: readonly { readonly return_data?: unknown; readonly terminate?: boolean; readonly parts: readonly RecordedPart[] }[];
}

const folder = new URL('../vectors/', import.meta.url);
const recordings = readdirSync(folder)
  .sort()
  .map((file) => ({ file, recording: JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Recording }));

function bytesOf({ text, base64 }: RecordedPart): Uint8Array {
  return text === undefined ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(text);
}

const serverMessages = recordings.flatMap(({ file, recording }) => {
  const perEndpoint = new Map<number, number>();
  return (recording.wire ?? []).map(({ endpoint, parts }, index) => {
    const nth = perEndpoint.get(endpoint) ?? 0;
    perEndpoint.set(endpoint, nth + 1);
    // Pattern 2 sends every frame to every endpoint, the others deal them out.
    const sent = recording.sends?.[recording.pattern === 2 ? nth : index];
    return { title: `${file.replace('.json', '')} #${index}`, text: parts[0]?.text ?? '', parts: parts.map(bytesOf), pattern: parsePattern(String(recording.pattern)), sent };
  });
});
const frames = serverMessages.filter(({ parts }) => parts.length === 2);
const terminations = serverMessages.filter(({ parts }) => parts.length === 1);

const replies = recordings.flatMap(({ file, recording }) =>
  (recording.replies ?? []).map(({ return_data: returnData, terminate, parts }, index) => ({
    title: `${file.replace('.json', '')} #${index}`,
    text: parts[0]?.text ?? '',
    parts: parts.map(bytesOf),
    returnData,
    terminate: terminate === true,
  })),
);

/** JavaScript puts keys that look like array indexes first; Python leaves them where they were written. Nothing else changes. */
const REORDERED = new Map([
  [
    '{"nan": NaN, "inf": Infinity, "ninf": -Infinity, "big": 1180591620717411303424, "uni": "\\u00e9\\u6f22\\ud83d\\ude00", "3": "int key"}',
    '{"3": "int key", "nan": NaN, "inf": Infinity, "ninf": -Infinity, "big": 1180591620717411303424, "uni": "\\u00e9\\u6f22\\ud83d\\ude00"}',
  ],
]);

function reordered(text: string): string {
  let result = text;
  for (const [written, asWeWrite] of REORDERED) result = result.replace(written, () => asWeWrite);
  return result;
}

function decoded(parts: readonly Uint8Array[]): NetGearFrame {
  const message = decodeFrame(parts);
  if (message.kind !== 'frame') throw new Error('a termination came, expected a frame');
  return message;
}

/** The error of a call; fails when there is none. */
function errorOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('the recordings', () => {
  it('are all there', () => {
    expect(recordings).toHaveLength(20);
    expect(frames).toHaveLength(32);
    expect(terminations).toHaveLength(14);
    expect(replies).toHaveLength(24);
  });
});

describe('decodeFrame', () => {
  it.each(frames)('reads the frame of $title', ({ parts, sent, text }) => {
    const frame = decoded(parts);
    expect(frame.height).toBe(sent?.shape[0]);
    expect(frame.width).toBe(sent?.shape[1]);
    expect(formatPythonJson(frame.message)).toBe(reordered(sent?.message_as_python_json ?? ''));
    expect(frame.headerText).toBe(text);
    expect(frame.payload).toBe(parts[1]);
    if (text.includes('"compression": false')) {
      expect(frame.encoding).toEqual({ kind: 'raw', dtype: sent?.dtype, shape: sent?.shape });
      expect(Buffer.from(frame.payload).toString('base64')).toBe(sent?.data_base64);
    } else {
      expect(frame.encoding).toEqual({ kind: 'jpeg' });
    }
  });

  it.each(terminations)('reads the termination of $title', ({ parts }) => {
    expect(decodeFrame(parts)).toEqual({ kind: 'termination' });
  });

  it.each(serverMessages)('rejects the header of $title at every shorter length', ({ parts: [header, ...rest] }) => {
    for (let length = 0; length < (header?.byteLength ?? 0); length += 1) {
      expect(errorOf(() => decodeFrame([header?.subarray(0, length) ?? new Uint8Array(), ...rest]))).toBeInstanceOf(GearwayError);
    }
  });

  it.each(frames)('rejects the payload of $title at every shorter length', ({ parts: [header, payload], text }) => {
    const code = text.includes('"compression": false') ? 'array-misfit' : 'jpeg-invalid';
    for (let length = 0; length < (payload?.byteLength ?? 0); length += 1) {
      expect(errorOf(() => decodeFrame([header ?? new Uint8Array(), payload?.subarray(0, length) ?? new Uint8Array()]))).toMatchObject({ code });
    }
  });
});

describe('encodeFrameHeader', () => {
  const plain = frames.filter(({ text }) => !text.includes('"port"') && (text.includes('"compression": false') || text.includes('"colorspace": "BGR"')));

  it('has recordings of its form', () => {
    expect(plain).toHaveLength(26);
  });

  it.each(plain)('writes the header of $title', ({ parts, pattern, text }) => {
    const { encoding, message } = decoded(parts);
    expect(encodeFrameHeader(encoding, formatPythonJson(message), pattern)).toBe(reordered(text));
  });
});

describe('rewriteFrameHeader', () => {
  it.each(frames)('leaves the header of $title as it is for a client of the same pattern', ({ text, pattern }) => {
    expect(rewriteFrameHeader(text, { pattern, dropMessage: false })).toBe(text);
  });

  it.each(frames)('changes nothing but the pattern of $title for other clients', ({ text, pattern }) => {
    for (const other of ['pair', 'request-reply', 'publish-subscribe'] as const) {
      const [before = '', after = ''] = text.split(`"pattern": "${formatPattern(pattern)}"`);
      expect(rewriteFrameHeader(text, { pattern: other, dropMessage: false })).toBe(`${before}"pattern": "${formatPattern(other)}"${after}`);
    }
  });

  it.each(frames)('changes nothing but the message of $title in a repeat', ({ text, pattern, sent }) => {
    const [before = '', after = ''] = text.split(`"message": ${sent?.message_as_python_json}`);
    expect(rewriteFrameHeader(text, { pattern, dropMessage: true })).toBe(`${before}"message": null${after}`);
  });
});

describe('formatPythonJson', () => {
  it.each(serverMessages)('writes the header of $title as Python wrote it', ({ text }) => {
    expect(formatPythonJson(parsePythonJson(text))).toBe(reordered(text));
  });
});

describe('TERMINATION', () => {
  it('is what a server in no special mode sends', () => {
    expect(new Set(terminations.filter(({ text }) => !text.includes('"port"')).map(({ text }) => text))).toEqual(new Set([TERMINATION]));
  });

  it('is answered with TERMINATION_REPLY', () => {
    const answers = replies.filter(({ terminate }) => terminate);
    expect(answers).toHaveLength(5);
    for (const { text } of answers) expect(text).toBe(TERMINATION_REPLY);
  });
});

describe('decodeReply', () => {
  it.each(replies)('reads $title', ({ text, parts, returnData, terminate }) => {
    const reply = decodeReply(parts);
    if (terminate) {
      expect(reply).toEqual({ kind: 'termination' });
    } else if (!text.startsWith('{')) {
      expect(reply).toEqual({ kind: 'text' });
    } else if (parts.length === 1) {
      const json = formatPythonJson(parsePythonJson(text.slice(text.indexOf('"data": ') + '"data": '.length, -1)));
      expect(reply).toEqual({ kind: 'value', value: returnData, json });
      expect(text.endsWith(`"data": ${json}}`)).toBe(true);
    } else {
      const { ndarray, shape, data_base64: base64 } = returnData as RecordedArray;
      if (text.includes('"compression": false')) expect(reply).toEqual({ kind: 'array', array: { dtype: ndarray, shape, data: Buffer.from(base64, 'base64') } });
      else {
        expect(reply).toEqual({ kind: 'jpeg', data: parts[1] });
        expect(readJpegMarkers(parts[1] ?? new Uint8Array())).toEqual({ width: shape[1], height: shape[0], components: 3 });
      }
    }
  });

  it.each(replies)('rejects $title at every shorter length', ({ parts: [header, ...rest] }) => {
    for (let length = 0; length < (header?.byteLength ?? 0); length += 1) {
      expect(errorOf(() => decodeReply([header?.subarray(0, length) ?? new Uint8Array(), ...rest]))).toBeInstanceOf(GearwayError);
    }
  });

  it.each(replies.filter(({ parts }) => parts.length === 2))('rejects the array of $title at every shorter length', ({ text, parts: [header, payload] }) => {
    const isJpeg = !text.includes('"compression": false');
    for (let length = 0; length < (payload?.byteLength ?? 0); length += 1) {
      const shorter = payload?.subarray(0, length) ?? new Uint8Array();
      // A JPEG is passed on as bytes; who takes it checks it.
      if (isJpeg) expect(errorOf(() => readJpegMarkers(shorter))).toMatchObject({ code: 'jpeg-invalid' });
      else expect(errorOf(() => decodeReply([header ?? new Uint8Array(), shorter]))).toMatchObject({ code: 'array-misfit' });
    }
  });
});
