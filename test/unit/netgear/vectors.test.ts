/** Traffic of a real VidGear (test/vectors/, one recording per file), decoded and encoded again by both codecs. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  decodeFrame,
  encodeFrameHeader,
  type NetGearFrame,
  encodeTermination,
  rewriteFrameHeader,
  TERMINATION_REPLY,
} from '../../../gateway/netgear/frame-codec.ts';
import { readJpegHeader } from '../../../gateway/codecs/jpeg-header.ts';
import { formatPattern, parsePattern } from '../../../gateway/netgear/pattern.ts';
import { formatPythonJson, parsePythonJson } from '../../../gateway/codecs/python-json.ts';
import { decodeReply, encodeReply } from '../../../gateway/netgear/reply-codec.ts';
import { GearwayError } from '../../../shared/errors.ts';
import type { Value } from '../../../shared/protocol.ts';

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
  /** A client's own port, in multi-clients mode. */
  readonly port?: string;
  /** Arguments of the server's `send()`. */
  readonly sends?: readonly {
    readonly dtype: string;
    readonly shape: readonly number[];
    readonly data_base64: string;
    readonly message_as_python_json: string;
  }[];
  readonly wire?: readonly { readonly endpoint: number; readonly parts: readonly RecordedPart[] }[];
  /** Argument of the client's `recv(return_data=…)`, and its answer. */
  readonly replies?: readonly {
    readonly return_data?: unknown;
    readonly terminate?: boolean;
    readonly parts: readonly RecordedPart[];
  }[];
}

const folder = new URL('../../vectors/', import.meta.url);
const recordings = readdirSync(folder)
  .sort()
  .map((file) => ({ file, recording: JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Recording }));

function bytesOf({ text, base64 }: RecordedPart): Uint8Array {
  return text === undefined ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(text);
}

/** The ports of the recorded servers in multi-servers mode. */
const SERVER_PORTS: Readonly<Record<string, string>> = {
  'server-multiserver-reqrep.json': '19120',
  'server-multiserver-pubsub.json': '19130',
};

const serverMessages = recordings.flatMap(({ file, recording }) => {
  const perEndpoint = new Map<number, number>();
  return (recording.wire ?? []).map(({ endpoint, parts }, index) => {
    const nth = perEndpoint.get(endpoint) ?? 0;
    perEndpoint.set(endpoint, nth + 1);
    // Pattern 2 sends every frame to every endpoint, the other patterns to one endpoint in rotation.
    const sent = recording.sends?.[recording.pattern === 2 ? nth : index];
    const { jpeg_compression: compression, multiserver_mode: multiserver } = recording.options;
    return {
      title: `${file.replace('.json', '')} #${index}`,
      text: parts[0]?.text ?? '',
      parts: parts.map(bytesOf),
      pattern: parsePattern(String(recording.pattern)),
      sent,
      colorspace: compression === false ? null : compression === true ? 'BGR' : String(compression),
      serverPort: multiserver === true ? (SERVER_PORTS[file] ?? '') : null,
    };
  });
});
const frames = serverMessages.filter(({ parts }) => parts.length === 2);
const terminations = serverMessages.filter(({ parts }) => parts.length === 1);

const replies = recordings.flatMap(({ file, recording }) =>
  (recording.replies ?? []).map(({ return_data: returnData, terminate, parts }, index) => ({
    title: `${file.replace('.json', '')} #${index}`,
    text: parts[0]?.text ?? '',
    parts: parts.map(bytesOf),
    port: recording.port ?? '',
    returnData,
    terminate: terminate === true,
  })),
);

/**
 * JavaScript moves keys that look like array indexes to the front; Python keeps the order. Everything else is equal.
 */
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
  if (message.kind !== 'frame') throw new Error('received a termination, expected a frame');
  return message;
}

/** What a call throws: the code of its GearwayError, or any other error; fails if it throws nothing. */
function errorOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error instanceof GearwayError ? error.code : error;
  }
  throw new Error('nothing was thrown');
}

/** The errors of a call with the bytes at every shorter length. */
function errorsOf(bytes: Uint8Array | undefined, call: (shorter: Uint8Array) => unknown): Set<unknown> {
  if (bytes === undefined) throw new Error('there are no bytes, expected a part');
  return new Set(Array.from(bytes, (_byte, length) => errorOf(() => call(bytes.subarray(0, length)))));
}

describe('the recordings', () => {
  it('are complete', () => {
    expect(recordings).toHaveLength(20);
    expect(frames).toHaveLength(32);
    expect(terminations).toHaveLength(14);
    expect(replies).toHaveLength(24);
  });
});

describe('decodeFrame', () => {
  it.each(frames)('reads the frame of $title', ({ parts, sent, text, colorspace, serverPort }) => {
    const frame = decoded(parts);
    expect(frame).toMatchObject({ colorspace, serverPort });
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

  it.each(terminations)('reads the termination of $title', ({ parts, serverPort }) => {
    expect(decodeFrame(parts)).toEqual({ kind: 'termination', serverPort });
  });

  it.each(serverMessages)('rejects the header of $title at every shorter length', ({ parts: [header, ...rest] }) => {
    for (const error of errorsOf(header, (shorter) => decodeFrame([shorter, ...rest])))
      expect(error).toBeTypeOf('string');
  });

  it.each(frames)('rejects the payload of $title at every shorter length', ({ parts: [header, payload], text }) => {
    const code = text.includes('"compression": false') ? 'array-misfit' : 'jpeg-invalid';
    expect(errorsOf(payload, (shorter) => decodeFrame([header ?? new Uint8Array(), shorter]))).toEqual(new Set([code]));
  });
});

describe('encodeFrameHeader', () => {
  it.each(frames)('writes the header of $title', ({ parts, pattern, text, colorspace, serverPort }) => {
    const { encoding, message } = decoded(parts);
    expect(
      encodeFrameHeader(
        encoding,
        formatPythonJson(message),
        { pattern, serverPort, dropMessage: false },
        colorspace ?? undefined,
      ),
    ).toBe(reordered(text));
  });

  it.each(frames)(
    'writes the header of $title without its message',
    ({ parts, pattern, text, sent, colorspace, serverPort }) => {
      const { encoding, message } = decoded(parts);
      const [before = '', after = ''] = text.split(`"message": ${sent?.message_as_python_json}`);
      expect(
        encodeFrameHeader(
          encoding,
          formatPythonJson(message),
          { pattern, serverPort, dropMessage: true },
          colorspace ?? undefined,
        ),
      ).toBe(`${before}"message": null${after}`);
    },
  );
});

describe('rewriteFrameHeader', () => {
  it.each(frames)('does not change the header of $title for a client of the same pattern', ({ text, pattern }) => {
    expect(rewriteFrameHeader(text, { pattern, serverPort: null, dropMessage: false })).toBe(text);
  });

  it.each(frames.filter(({ serverPort }) => serverPort !== null))(
    'does not change the header of $title for a client that expects the same port',
    ({ text, pattern, serverPort }) => {
      expect(rewriteFrameHeader(text, { pattern, serverPort, dropMessage: false })).toBe(text);
    },
  );

  it.each(frames.filter(({ serverPort }) => serverPort !== null))(
    'changes only the port of $title for a client that expects another port',
    ({ text, pattern, serverPort }) => {
      expect(text.startsWith(`{"port": "${serverPort}", `)).toBe(true);
      expect(rewriteFrameHeader(text, { pattern, serverPort: '5567', dropMessage: false })).toBe(
        text.replace(`"${serverPort}"`, '"5567"'),
      );
    },
  );

  it.each(frames.filter(({ serverPort }) => serverPort === null))(
    'adds only the port to $title, at its position in multi-servers mode',
    ({ text, pattern }) => {
      expect(rewriteFrameHeader(text, { pattern, serverPort: '5567', dropMessage: false })).toBe(
        `{"port": "5567", ${text.slice(1)}`,
      );
    },
  );

  it.each(frames)('changes only the pattern of $title for other clients', ({ text, pattern }) => {
    for (const other of ['pair', 'request-reply', 'publish-subscribe'] as const) {
      const [before = '', after = ''] = text.split(`"pattern": "${formatPattern(pattern)}"`);
      expect(rewriteFrameHeader(text, { pattern: other, serverPort: null, dropMessage: false })).toBe(
        `${before}"pattern": "${formatPattern(other)}"${after}`,
      );
    }
  });

  it.each(frames)('changes only the message of $title in a repeat', ({ text, pattern, sent }) => {
    const [before = '', after = ''] = text.split(`"message": ${sent?.message_as_python_json}`);
    expect(rewriteFrameHeader(text, { pattern, serverPort: null, dropMessage: true })).toBe(
      `${before}"message": null${after}`,
    );
  });
});

describe('formatPythonJson', () => {
  it.each(serverMessages)('writes the header of $title as Python wrote it', ({ text }) => {
    expect(formatPythonJson(parsePythonJson(text))).toBe(reordered(text));
  });
});

describe('encodeTermination', () => {
  it.each(terminations)('writes $title', ({ text, serverPort }) => {
    expect(encodeTermination(serverPort)).toBe(text);
  });

  it('has recordings with and without a port', () => {
    expect(new Set(terminations.map(({ text }) => text))).toEqual(
      new Set([
        '{"terminate_flag": true}',
        '{"terminate_flag": true, "port": "19120"}',
        '{"terminate_flag": true, "port": "19130"}',
      ]),
    );
  });
});

describe('TERMINATION_REPLY', () => {
  it('is the answer of clients', () => {
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
      if (text.includes('"compression": false'))
        expect(reply).toEqual({ kind: 'array', array: { dtype: ndarray, shape, data: Buffer.from(base64, 'base64') } });
      else {
        expect(reply).toEqual({ kind: 'jpeg', data: parts[1], colorspace: 'BGR' });
        expect(readJpegHeader(parts[1] ?? new Uint8Array())).toMatchObject({
          width: shape[1],
          height: shape[0],
          components: 3,
        });
      }
    }
  });

  it.each(replies)('rejects $title at every shorter length', ({ parts: [header, ...rest] }) => {
    for (const error of errorsOf(header, (shorter) => decodeReply([shorter, ...rest])))
      expect(error).toBeTypeOf('string');
  });

  it.each(replies.filter(({ parts }) => parts.length === 2))(
    'rejects the array of $title at every shorter length',
    ({ text, parts: [header, payload] }) => {
      const isJpeg = !text.includes('"compression": false');
      // A JPEG is forwarded as bytes; its receiver checks it.
      const check = (shorter: Uint8Array): unknown =>
        isJpeg ? readJpegHeader(shorter) : decodeReply([header ?? new Uint8Array(), shorter]);
      expect(errorsOf(payload, check)).toEqual(new Set([isJpeg ? 'jpeg-invalid' : 'array-misfit']));
    },
  );
});

/** A tuple becomes a list in JSON, so the two cannot be distinguished. */
function asList(text: string): string {
  return text.replace('"return_type": "tuple"', '"return_type": "list"');
}

describe('encodeReply', () => {
  const withPort = replies.filter(({ text }) => text.startsWith('{"port"'));
  const values = withPort.filter(({ parts }) => parts.length === 1);
  const arrays = withPort.filter(({ text }) => text.includes('"compression": false'));
  const jpegs = withPort.filter(({ text }) => text.includes('"compression": {'));

  it('has recordings of each format', () => {
    expect([values.length, arrays.length, jpegs.length]).toEqual([11, 2, 1]);
  });

  it.each(values)('writes $title as a client in multi-clients mode does', ({ text, port, returnData }) => {
    // The only float in the recordings is 2.5, which JSON.stringify and Python write in the same way.
    expect(encodeReply(port, { kind: 'value', json: formatPythonJson(returnData as Value) })).toEqual([asList(text)]);
  });

  it.each(arrays)('writes the array of $title byte for byte', ({ text, port, parts, returnData }) => {
    const { ndarray: dtype, shape, data_base64: base64 } = returnData as RecordedArray;
    const [header, bytes] = encodeReply(port, {
      kind: 'array',
      array: { dtype, shape, data: Buffer.from(base64, 'base64') },
    });
    expect(header).toBe(text);
    expect(Buffer.from(bytes as Uint8Array)).toEqual(Buffer.from(parts[1]!));
  });

  it.each(jpegs)('writes the JPEG of $title byte for byte', ({ text, port, parts }) => {
    expect(encodeReply(port, { kind: 'jpeg', data: parts[1]!, colorspace: 'BGR' })).toEqual([text, parts[1]]);
  });
});
