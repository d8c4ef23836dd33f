import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { createSources } from '../../../gateway/create-sources.ts';
import { toSendable } from '../../../gateway/publishers/published-frame.ts';
import { decodeSent } from '../../../gateway/sources/imagezmq/picture-codec.ts';
import { parseNetGearAddress } from '../../../gateway/netgear/address.ts';
import { isListedKey, openReceiverKeys, openSenderKeys } from '../../../gateway/netgear/curve-keys.ts';
import { readCapturedAt, readIsoTime } from '../../../gateway/netgear/captured-at.ts';
import { decodeFrame, rewriteFrameHeader } from '../../../gateway/netgear/frame-codec.ts';
import { createKeys } from '../../../gateway/netgear/key-files.ts';
import { readJpegHeader } from '../../../gateway/codecs/jpeg-header.ts';
import { formatPythonJson, parsePythonJson, parsePythonObject } from '../../../gateway/codecs/python-json.ts';
import { decodeReply } from '../../../gateway/netgear/reply-codec.ts';
import { readZmtpPeer, ZmtpConversation } from '../../../gateway/netgear/zmtp-peer.ts';
import { decodeAsyncMessage } from '../../../gateway/sources/netgear-async/async-codec.ts';
import { unpack } from '../../../gateway/codecs/message-pack.ts';
import { resolveClient } from '../../../gateway/config/client-address.ts';
import type { GatewayOptions } from '../../../gateway/config/gateway-options.ts';
import { resolveOptions } from '../../../gateway/config/options.ts';
import { isBmp, readBmp } from '../../../gateway/codecs/bmp-file.ts';
import { BMP } from '../../../gateway/codecs/bmp.ts';
import { HeadedReader } from '../../../gateway/codecs/headed-reader.ts';
import { repairJpeg } from '../../../gateway/codecs/repair-jpeg.ts';
import { JpegSequenceReader } from '../../../gateway/codecs/jpeg-sequence-reader.ts';
import { PGM } from '../../../gateway/codecs/pgm.ts';
import { createRedactor, hideAddress, hideUrls } from '../../../gateway/sources/redactor.ts';
import { splitWords } from '../../../gateway/sources/ffmpeg/split-words.ts';
import { readImage } from '../../../gateway/sources/directory/image-file.ts';
import { MultipartReader } from '../../../gateway/codecs/multipart-reader.ts';
import { readBoundary } from '../../../gateway/codecs/media-type.ts';
import { ChunkedDecoder } from '../../../gateway/sources/mjpeg/chunked-decoder.ts';
import { parseHttpAddress, redirectedAddress } from '../../../gateway/sources/mjpeg/http-address.ts';
import { HttpAuthentication } from '../../../gateway/sources/mjpeg/http-authentication.ts';
import { send, wrongCameras } from '../../helpers/wrong-cameras.ts';
import { isNpy, readNpy } from '../../../gateway/codecs/npy.ts';
import { publishPicture } from '../../../gateway/sources/publish-picture.ts';
import { GearwayError } from '../../../shared/errors.ts';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import {
  decodeGatewayMessage,
  decodePublisherAnswer,
  decodePublisherMessage,
  decodeViewerMessage,
  messageType,
  type Value,
} from '../../../shared/protocol.ts';
import { packValue } from '../message-pack.ts';
import { mutate, mutations } from '../mutations.ts';
import { damageJpeg, type Samples, scanBomb } from '../pictures.ts';
import { Random } from '../random.ts';
import { anyValue, hostileText, hostileValue } from '../values.ts';
import { greeting, ready } from '../zmtp.ts';
import { encodeMessageBytes, frameFields, helloFields, viewerFields } from './protocol-messages.ts';
import { asyncFrame, imagezmqPicture, netgearFrame, netgearReply, pythonJson } from './zmq-messages.ts';

/** A decoder with its input. It may throw only GearwayErrors. */
export interface Decoder {
  readonly name: string;
  readonly inputs: fc.Arbitrary<unknown>;
  readonly decode: (input: never) => unknown;
}

function decoder<T>(name: string, inputs: fc.Arbitrary<T>, decode: (input: T) => unknown): Decoder {
  return { name, inputs, decode };
}

/** Maximum time of a decoder for one input. All streams stop during this time. */
export const MAX_DECODE_MS = 250;

/** Maximum memory for one input. */
const MAX_DECODE_BYTES = 512 << 20;

/**
 * Runs a decoder on one input.
 *
 * @throws errors other than GearwayError; an error with the time or the memory if the decoder used too much of it.
 */
export async function check({ decode }: Decoder, input: unknown): Promise<void> {
  let tookMs = await timed(decode, input);
  // Only inputs that are slow repeatedly count, because other load may have used the processor.
  for (let again = 0; again < 3 && tookMs > MAX_DECODE_MS; again += 1)
    tookMs = Math.min(tookMs, await timed(decode, input));
  if (tookMs > MAX_DECODE_MS) throw new Error(`took ${tookMs.toFixed()} ms, expected at most ${MAX_DECODE_MS}`);
}

async function timed(decode: Decoder['decode'], input: unknown): Promise<number> {
  const before = process.memoryUsage.rss();
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  try {
    await decode(input as never);
  } catch (error) {
    if (!(error instanceof GearwayError)) throw error;
  }
  // On a busy machine, the wall-clock time includes the time of other processes.
  const { user, system } = process.cpuUsage(startCpu);
  const tookMs = Math.min(performance.now() - startMs, (user + system) / 1000);
  const grown = process.memoryUsage.rss() - before;
  if (grown > MAX_DECODE_BYTES)
    throw new Error(`took ${(grown / 2 ** 20).toFixed()} MiB, expected at most ${MAX_DECODE_BYTES / 2 ** 20}`);
  return tookMs;
}

/** All decoders of external input. @param samples valid pictures. */
export function createDecoders(samples: Samples): readonly Decoder[] {
  const seeded = <T>(make: (random: Random) => T): fc.Arbitrary<T> =>
    fc.integer().map((seed) => make(new Random('decoder', seed)));
  const changed = (bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Buffer> =>
    fc.oneof(
      { weight: 1, arbitrary: bytes.map((whole) => Buffer.from(whole)) },
      { weight: 4, arbitrary: fc.tuple(bytes, mutations).map(([whole, changes]) => mutate(whole, changes)) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((noise) => Buffer.from(noise)) },
    );
  const jpegs = fc.oneof(
    changed(fc.constantFrom(...samples.jpegs)),
    seeded((random) => damageJpeg(random.pick(samples.jpegs), random)),
    seeded((random) => scanBomb(random.pick([64, 512, 1024]), random.pick([64, 512]), random.pick([1, 10, 100]))),
  );
  const pictures = fc.oneof(
    jpegs,
    changed(fc.constantFrom(...samples.npys)),
    changed(fc.constantFrom(...samples.bmps)),
    changed(fc.constantFrom(...samples.others)),
  );
  const parts = (make: (random: Random) => Buffer[]): fc.Arbitrary<readonly Buffer[]> =>
    fc
      .tuple(seeded(make), fc.constantFrom(0, 1), fc.option(mutations))
      .map(([whole, index, changes]) =>
        changes === null ? whole : whole.map((part, at) => (at === index ? mutate(part, changes) : part)),
      );
  const packed = fc.oneof(hostileValue, anyValue).map((value) => packValue(value));
  const viewerMessages = changed(
    fc.oneof(
      ...(['ack', 'return', 'want', 'ping'] as const).map((type) =>
        fc
          .tuple(viewerFields[type], fc.uint8Array({ maxLength: 40 }))
          .map(([fields, payload]) => encodeMessageBytes(messageType[type], packValue(fields), payload)),
      ),
      helloFields.map((fields) => encodeMessageBytes(messageType.hello, packValue(fields))),
      packed.map((header) => encodeMessageBytes(messageType.return, header)),
    ),
  );
  const texts = fc.oneof(hostileText, seeded(pythonJson), fc.json({ maxDepth: 10 }));
  const json = fc.oneof(
    texts,
    changed(texts.map((text) => Buffer.from(text))).map((bytes) => bytes.toString()),
  );
  const chunks = (whole: fc.Arbitrary<Buffer>): fc.Arbitrary<readonly Buffer[]> =>
    fc
      .tuple(whole, fc.constantFrom(1, 3, 17, 1000, 1 << 20))
      .map(([bytes, size]) =>
        Array.from({ length: Math.min(5000, Math.ceil(bytes.length / size)) }, (_, n) =>
          bytes.subarray(n * size, (n + 1) * size),
        ),
      );
  const readAll = (reader: { read(chunk: Buffer): unknown }) => (pieces: readonly Buffer[]) =>
    pieces.forEach((piece) => reader.read(Buffer.from(piece)));

  return [
    decoder('viewer message', viewerMessages, decodeViewerMessage),
    decoder(
      'publisher message',
      changed(
        fc
          .tuple(frameFields, fc.constantFrom(...samples.jpegs))
          .map(([fields, jpeg]) => encodeMessageBytes(messageType.frame, packValue({ sequence: 1, ...fields }), jpeg)),
      ),
      decodePublisherMessage,
    ),
    decoder(
      'gateway message',
      changed(
        fc
          .tuple(fc.constantFrom(...Object.values(messageType)), packed)
          .map(([type, header]) => encodeMessageBytes(type, header)),
      ),
      (bytes) => [tolerate(() => decodeGatewayMessage(bytes)), decodePublisherAnswer(bytes)],
    ),
    decoder(
      'NetGear frame',
      parts((random) => netgearFrame(random, samples, '1')),
      (all) => {
        const frame = decodeFrame(all);
        if (frame.kind === 'frame')
          rewriteFrameHeader(frame.headerText, { pattern: 'pair', serverPort: '5566', dropMessage: true });
      },
    ),
    decoder(
      'NetGear reply',
      parts((random) => netgearReply(random, samples)),
      (all) => decodeReply(all),
    ),
    decoder(
      'imagezmq picture',
      parts((random) => imagezmqPicture(random, samples)),
      (all) => decodeSent(all),
    ),
    decoder('NetGear_Async frame', parts(asyncFrame), (all) => decodeAsyncMessage(all)),
    decoder('MessagePack', changed(packed), (bytes) => tolerateAny(() => unpack(bytes))),
    decoder('Python JSON', json, (text) => formatPythonJson(parsePythonJson(text))),
    decoder(
      'Python JSON object',
      json.map((text) => `{"message": ${text}}`),
      parsePythonObject,
    ),
    decoder('Python JSON of a value', anyValue, (value) => formatPythonJson(value as Value)),
    decoder('JPEG header', jpegs, (bytes) => readJpegHeader(bytes)),
    decoder('repaired JPEG', jpegs, (bytes) => repairJpeg(bytes)),
    decoder('image file', pictures, (bytes) => readImage(bytes)),
    decoder(
      'pushed picture',
      fc.tuple(fc.constantFrom(undefined, 'image/jpeg', 'application/x-npy', 'application/octet-stream'), pictures),
      ([type, bytes]) => publishPicture({ publish: () => undefined as never }, toSendable(type, bytes)),
    ),
    decoder('.npy', changed(fc.constantFrom(...samples.npys)), (bytes) => (isNpy(bytes) ? readNpy(bytes) : null)),
    decoder('BMP', changed(fc.constantFrom(...samples.bmps)), (bytes) => (isBmp(bytes) ? readBmp(bytes) : null)),
    decoder('BMP of FFmpeg', chunks(changed(fc.constantFrom(...samples.bmps))), (pieces) =>
      readAll(new HeadedReader({ format: BMP, maxBodyBytes: 1 << 26, onPicture: () => undefined }))(pieces),
    ),
    decoder(
      'PGM of FFmpeg',
      chunks(
        changed(
          fc.constantFrom(
            Buffer.from('P5\n4 2\n255\n12345678'),
            Buffer.from('P5 2 2 65535\n12345678'),
            Buffer.from('P5\n# x\n1 1\n255\nx'),
          ),
        ),
      ),
      (pieces) => readAll(new HeadedReader({ format: PGM, maxBodyBytes: 1 << 26, onPicture: () => undefined }))(pieces),
    ),
    decoder(
      'JPEGs in sequence',
      chunks(fc.array(jpegs, { minLength: 1, maxLength: 3 }).map((all) => Buffer.concat(all))),
      (pieces) => readAll(new JpegSequenceReader({ maxJpegBytes: 1 << 22, onJpeg: () => undefined }))(pieces),
    ),
    decoder(
      'multipart',
      chunks(
        changed(
          fc
            .tuple(fc.constantFrom(...samples.jpegs), fc.boolean())
            .map(([jpeg, counted]) =>
              Buffer.concat([
                Buffer.from(
                  `--cam\r\nContent-Type: image/jpeg\r\n${counted ? `Content-Length: ${jpeg.length}\r\n` : ''}\r\n`,
                ),
                jpeg,
                Buffer.from('\r\n--cam--\r\n'),
              ]),
            ),
        ),
      ),
      (pieces) =>
        readAll(new MultipartReader({ boundary: 'cam', maxBodyBytes: 1 << 22, onPart: () => undefined }))(pieces),
    ),
    decoder(
      'wrong camera',
      fc.tuple(wrongCameras, chunks(changed(wrongCameras.map((camera) => send(camera).bytes)))),
      ([camera, pieces]) =>
        readAll(
          new MultipartReader({ boundary: send(camera).boundary, maxBodyBytes: 1 << 22, onPart: () => undefined }),
        )(pieces),
    ),
    decoder(
      'chunked response',
      chunks(changed(fc.constant(Buffer.from('5;x=y\r\nhello\r\n1\n!\n0\r\n\r\n')))),
      (pieces) => readAll(new ChunkedDecoder(() => undefined))(pieces),
    ),
    decoder('address of a camera', changedText(['http://user:pass@[::1]:81/path?x=y', 'https://cam/']), (text) => [
      tolerate(() => parseHttpAddress(text)),
      tolerate(() => redirectedAddress(parseHttpAddress('http://a:b@cam/'), text)),
      readBoundary(text),
    ]),
    decoder(
      'challenge of a camera',
      changedText([
        'Digest realm="a", nonce="b", qop="auth", algorithm=SHA-256',
        'Basic realm=a',
        'multipart/x-mixed-replace; boundary="cam"',
      ]),
      (text) => {
        const authentication = new HttpAuthentication({ user: 'user', password: 'pass' });
        return [authentication.accept([text, text]), authentication.header(text), readBoundary(text)];
      },
    ),
    decoder(
      'ZMTP greeting',
      fc.tuple(changed(fc.constant(Buffer.concat([greeting(), ready({ 'Socket-Type': 'REP' })]))), fc.boolean()),
      ([bytes, ended]) => {
        readZmtpPeer(bytes, ended);
        new ZmtpConversation(() => undefined).add(bytes);
      },
    ),
    decoder('key file', changed(fc.constant(keyFile())), readKeyFiles),
    decoder(
      'NetGear address',
      changedText([
        'tcp://127.0.0.1:5567?pattern=1',
        'ipc:///tmp/feed:5555',
        'tcp://[::1]:5567,5568?pattern=2&secure=1&keys=/tmp',
        'tcp://*:1?id=7&fps=5',
      ]),
      (text) => [tolerate(() => parseNetGearAddress(text)), resolveClient(text)],
    ),
    decoder(
      'source URL',
      changedText([
        'test-pattern:?size=640x480&fps=30',
        'netgear:tcp://127.0.0.1:5555?pattern=1',
        'a=netgear:tcp://h:1,2?multiclient=true',
        'ffmpeg:rtsp://u:p@h/x?loop=true&fps=5',
        'directory:/tmp?fps=1',
        'imagezmq:tcp://0.0.0.0:5555?senders=a,b',
        'netgear-async:tcp://127.0.0.1:5555?pattern=3',
        'push:?takeOver=true',
        'ffmpeg:camera?size=64x48&inputArgs=-a "b c"',
      ]),
      (text) => createSources([text], SILENT_LOGGER),
    ),
    decoder(
      'options',
      fc.record(
        {
          port: fc.oneof(fc.integer(), fc.double()),
          host: hostileText,
          virtualPorts: changedText(['6000-6063', '1,2,3', 'main=6000-6001']),
          reservedPorts: fc.dictionary(fc.constantFrom('6000', '-1', 'x', '70000'), hostileText),
          allowOrigins: fc.array(changedText(['https://example.org', 'null'])),
          token: hostileText,
          viewToken: hostileText,
          clients: fc.array(changedText(['tcp://127.0.0.1:1'])),
          idle: fc.constantFrom('card', 'x'),
        },
        { requiredKeys: [] },
      ),
      (options) => resolveOptions(options as GatewayOptions, [{ name: 'main', serverPorts: null }]),
    ),
    decoder('words of FFmpeg', hostileText, splitWords),
    decoder(
      'secrets',
      fc.oneof(hostileText, changedText(['rtsp://user:pass@host/path', 'http://a:b@c:d@e/?f=g'])),
      (text) => createRedactor([text], [text]).hide(hideUrls(hideAddress(text))),
    ),
    decoder(
      'time of capture',
      fc.tuple(anyValue, fc.oneof(hostileText, fc.constantFrom('t', 'meta.t'))),
      ([value, path]) => [readCapturedAt(value as Value, path), readIsoTime(path)],
    ),
  ];
}

function changedText(texts: readonly string[]): fc.Arbitrary<string> {
  return fc.oneof(
    fc.constantFrom(...texts),
    fc
      .tuple(fc.constantFrom(...texts), mutations)
      .map(([text, changes]) => mutate(Buffer.from(text), changes).toString('latin1')),
    hostileText,
  );
}

/** Continues after a refusal, to try the same input with other decoders. */
function tolerate(decode: () => unknown): unknown {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof GearwayError)) throw error;
    return error.code;
  }
}

/**
 * `unpack` is internal to its codec, which converts its plain errors to GearwayErrors; a RangeError would be one of
 * V8's.
 */
function tolerateAny(decode: () => unknown): unknown {
  try {
    return decode();
  } catch (error) {
    if (error instanceof RangeError && /call stack|string length/i.test(error.message)) throw error;
    return String(error);
  }
}

function keyFile(): Buffer {
  return Buffer.from(
    '#   ****  Generated by pyzmq  ****\n\nmetadata\ncurve\n    public-key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"\n    secret-key = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"\n',
  );
}

let keysFolder: string | null = null;

function readKeyFiles(bytes: Uint8Array): unknown {
  if (keysFolder === null) {
    const folder = mkdtempSync(join(tmpdir(), 'gearway-fuzz-keys-'));
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
    mkdirSync(join(folder, 'private_keys'), { recursive: true });
    createKeys(folder);
    keysFolder = folder;
  }
  const folder = keysFolder;
  for (const name of [
    'private_keys/client.key_secret',
    'private_keys/server.key_secret',
    'public_keys/server.key',
    'public_keys/other.key',
  ])
    writeFileSync(join(folder, name), bytes);
  return [
    tolerate(() => openSenderKeys(folder)),
    tolerate(() => openReceiverKeys(folder)),
    isListedKey(folder, 'Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID'),
  ];
}
