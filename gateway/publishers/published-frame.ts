import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { FRAME_LIMITS } from '../../shared/frame.ts';
import { GearwayError, errorText } from '../../shared/errors.ts';
import { PEER_LIMITS, type Value } from '../../shared/protocol.ts';
import { readIsoTime } from '../netgear/captured-at.ts';
import { decodeUtf8 } from '../netgear/frame-codec.ts';
import type { Sendable } from '../netgear/picture.ts';
import { parsePythonJson } from '../codecs/python-json.ts';
import { MAX_BOUNDARY_LENGTH, mediaType, readBoundary } from '../codecs/media-type.ts';
import { MultipartReader, type Part } from '../codecs/multipart-reader.ts';
import { beginsAsJpeg } from '../codecs/jpeg-end.ts';
import { isNpy, MAX_NPY_HEAD_BYTES, readNpy } from '../codecs/npy.ts';
import type { PictureInfo } from '../sources/publish-picture.ts';
import { announcedBytes, checkBytes, readBody, readChunks } from './request-body.ts';

/** Maximum size of an encoded picture. */
export const MAX_PICTURE_BYTES = FRAME_LIMITS.payloadBytes + MAX_NPY_HEAD_BYTES;

/** Maximum size of a message, as in the header of a NetGear server. */
const MAX_MESSAGE_BYTES = FRAME_LIMITS.headerBytes;

/** Maximum size of a form: a picture, its message, and the multipart headers. */
export const MAX_FORM_BYTES = MAX_PICTURE_BYTES + MAX_MESSAGE_BYTES + (64 << 10);

/** Maximum number of parts of a form: two are needed, and browsers send the other fields of a page's form, too. */
const MAX_FORM_PARTS = 64;

const TYPES = 'image/jpeg, application/x-npy, multipart/form-data or multipart/x-mixed-replace';

/** Media types of JPEG: the registered one, and those of cameras and old programs. */
const JPEG_TYPES: ReadonlySet<string | undefined> = new Set([
  'image/jpeg',
  'image/jpg',
  'image/pjpeg',
  'image/x-jpeg',
  'image/x-jpg',
]);

/**
 * Kind of a request's body. `streaming`: a sequence of pictures without an end; its boundary is null if not announced.
 */
export type BodyType =
  | { readonly kind: 'picture'; readonly type: string | undefined }
  | { readonly kind: 'form'; readonly boundary: string }
  | { readonly kind: 'streaming'; readonly boundary: string | null };

/** A picture with its message and capture time. */
export interface PublishedFrame {
  readonly picture: Sendable;
  readonly info: PictureInfo;
}

/**
 * Parses a Content-Type header.
 *
 * @throws {GearwayError} `type-unknown`, `multipart-invalid`.
 */
export function readBodyType(contentType: string | undefined): BodyType {
  const type = mediaType(contentType);
  if (type === undefined || type === 'application/octet-stream' || type === 'application/x-npy' || JPEG_TYPES.has(type))
    return { kind: 'picture', type };
  // Also multipart/mixed, which some cameras send.
  if (!type.startsWith('multipart/'))
    throw new GearwayError('type-unknown', `the Content-Type is ${JSON.stringify(type)}, expected ${TYPES}`);
  const boundary = readBoundary(contentType);
  if (type !== 'multipart/form-data') return { kind: 'streaming', boundary };
  if (boundary === null)
    throw new GearwayError(
      'multipart-invalid',
      `the Content-Type is ${JSON.stringify(contentType?.slice(0, 200))}, expected a boundary of 1 to ${MAX_BOUNDARY_LENGTH} characters`,
    );
  return { kind: 'form', boundary };
}

/**
 * Parses the headers `Gearway-Message` and `Gearway-Captured-At` of a request or part.
 *
 * @throws {GearwayError} `value-invalid`.
 */
export function readInfo(message: string | undefined, capturedAt: string | undefined): PictureInfo {
  return {
    // Node and MultipartReader decode header bytes as Latin-1.
    message: message === undefined ? null : readMessage(Buffer.from(message, 'latin1'), 'Gearway-Message'),
    capturedAtUs: capturedAt === undefined ? null : readTime(capturedAt),
  };
}

/**
 * Reads a body that consists of one picture.
 *
 * @throws {GearwayError} `length-required`, `too-large`, `body-incomplete`, `npy-invalid`, `value-invalid`.
 */
export async function readPicture(request: IncomingMessage, type: string | undefined): Promise<PublishedFrame> {
  const info = infoOf(request.headers);
  return { picture: toSendable(type, await readBody(request, MAX_PICTURE_BYTES)), info };
}

/**
 * Reads a form with the picture in the field `frame`, and its message in the field `message` or in the request's
 * header. Ignores other fields. Resolves only after the complete form.
 *
 * @throws {GearwayError} `length-required`, `too-large`, `body-incomplete`, `multipart-invalid`, `npy-invalid`,
 * `type-unknown`, `value-invalid`.
 */
export async function readForm(request: IncomingMessage, boundary: string): Promise<PublishedFrame> {
  const info = infoOf(request.headers);
  const fields = new Map<string, Part>();
  announcedBytes(request, MAX_FORM_BYTES);
  let parts = 0;
  const reader = new MultipartReader({
    boundary,
    maxBodyBytes: MAX_PICTURE_BYTES,
    onPart: (part) => {
      parts += 1;
      if (parts > MAX_FORM_PARTS)
        throw new GearwayError('multipart-invalid', `the form has more than ${MAX_FORM_PARTS} parts`);
      const name = fieldName(part);
      if (name !== 'frame' && name !== 'message') return;
      if (fields.has(name))
        throw new GearwayError('multipart-invalid', `the form has the field ${name} twice, expected it once`);
      fields.set(name, part);
    },
  });
  let bytes = 0;
  const take = (chunk: Buffer): void => {
    bytes = checkBytes(bytes + chunk.byteLength, MAX_FORM_BYTES);
    reader.read(chunk);
  };
  await readChunks(request, take, { isPaced: true });
  if (!reader.hasEnded)
    throw new GearwayError('multipart-invalid', `the form does not end, expected --${boundary}-- after its last field`);
  const [frame, message] = [fields.get('frame'), fields.get('message')];
  if (frame === undefined) {
    throw new GearwayError(
      'multipart-invalid',
      'the form has no field frame, expected a JPEG or .npy file: curl -F frame=@picture.jpg',
    );
  }
  if (message !== undefined && request.headers['gearway-message'] !== undefined) {
    throw new GearwayError(
      'value-invalid',
      'the message is given both as a field and as a header, expected only one of them',
    );
  }
  return {
    picture: toSendable(mediaType(frame.headers.get('content-type')), frame.body),
    info: message === undefined ? info : { ...info, message: readMessage(message.body, 'the field message') },
  };
}

/**
 * Converts a request body or part to a picture. JPEG validity is checked on publish.
 *
 * @param type media type. A JPEG is recognized by its first bytes, unless the type is `application/x-npy`; an array,
 * only if the type is `application/octet-stream`, empty or undefined.
 * @throws {GearwayError} `type-unknown`, `npy-invalid`.
 */
export function toSendable(type: string | undefined, body: Buffer): Sendable {
  if (type === 'application/x-npy') return readNpy(body);
  const isUntyped = type === undefined || type === '' || type === 'application/octet-stream';
  if (isUntyped && isNpy(body)) return readNpy(body);
  if (isUntyped || JPEG_TYPES.has(type) || beginsAsJpeg(body)) return body;
  throw new GearwayError(
    'type-unknown',
    `the type of the picture is ${JSON.stringify(type)}, expected image/jpeg or application/x-npy`,
  );
}

function infoOf({ 'gearway-message': message, 'gearway-captured-at': capturedAt }: IncomingHttpHeaders): PictureInfo {
  // Never a list: Node returns lists only for Set-Cookie.
  return readInfo(message as string | undefined, capturedAt as string | undefined);
}

function readMessage(bytes: Uint8Array, where: string): Value {
  if (bytes.byteLength > MAX_MESSAGE_BYTES)
    throw new GearwayError(
      'too-large',
      `${where} has ${bytes.byteLength} bytes, expected at most ${MAX_MESSAGE_BYTES}`,
    );
  try {
    return parsePythonJson(decodeUtf8(bytes), PEER_LIMITS.elements);
  } catch (error) {
    throw new GearwayError('value-invalid', `${where}: ${errorText(error)}`, { cause: error });
  }
}

function readTime(text: string): number {
  const us = readIsoTime(text);
  if (us !== null) return us;
  const expected = 'a time with its zone, such as 2026-01-31T12:00:00.123456Z';
  throw new GearwayError(
    'value-invalid',
    `Gearway-Captured-At is ${JSON.stringify(text.slice(0, 64))}, expected ${expected}`,
  );
}

function fieldName({ headers }: Part): string | undefined {
  const [, quoted, plain] = /;\s*name=(?:"([^"]*)"|([^\s;"]+))/i.exec(headers.get('content-disposition') ?? '') ?? [];
  return quoted ?? plain;
}
