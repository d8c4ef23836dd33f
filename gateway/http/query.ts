import { FRAME_LIMITS } from '../../shared/frame.ts';

/** What a query's text is read to. */
export type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

/** A parameter as Fastify gives it: a list where it stands several times. */
export type QueryText = string | readonly string[] | undefined;

/** Reads `?width=`, pixels; null where it is absent. */
export function readWidth(text: QueryText): Read<number | null> {
  if (text === undefined) return { ok: true, value: null };
  const { side } = FRAME_LIMITS;
  const value = readNumber(text, /^\d{1,5}$/, 1, side);
  return value === undefined ? { ok: false, message: `width is ${JSON.stringify(text)}, expected a whole number of pixels from 1 to ${side}` } : { ok: true, value };
}

/** @returns undefined for what is no such number. */
export function readNumber(text: string | readonly string[], form: RegExp, from: number, to: number): number | undefined {
  if (typeof text !== 'string' || !form.test(text)) return undefined;
  const number = Number(text);
  return number >= from && number <= to ? number : undefined;
}
