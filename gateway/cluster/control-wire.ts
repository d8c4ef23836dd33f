import { cleanText } from '../../shared/clean-text.ts';
import { CONTROL_ACTIONS, type ControlAction, MAX_CONTROL_REQUESTS } from '../../shared/protocol.ts';
import { CONTROL_NOTICES, type ControlNotice, type ControlState } from '../hub/control.ts';

/** A viewer with a port has joined or left. `client` is its id in its gateway. */
export type ControlPresence =
  | { readonly kind: 'enter'; readonly client: string; readonly port: number; readonly name: string }
  | { readonly kind: 'exit'; readonly client: string };

/** Request of a viewer, or of an administrator (`revoke`), to the owner. */
export type ControlRequest =
  | { readonly kind: 'change'; readonly client: string; readonly action: ControlAction; readonly port: number }
  | { readonly kind: 'revoke' };

/** Part of a batch of a stream with exclusive control, to its owner. */
export type ControlItem = ControlPresence | ControlRequest;

/** Part of the owner's answer. */
export interface ControlAnswer {
  readonly state: ControlState;
  /** The viewer of this session that has control; null if none of them has. */
  readonly holder: string | null;
  /**
   * Results of the {@link ControlRequest}s of the batch, in order. `port`: that of the former holder, after a
   * revocation.
   */
  readonly results: readonly (
    | { readonly ok: true; readonly port: number | null }
    | { readonly ok: false; readonly code: string; readonly reason: string }
  )[];
  /**
   * Changes for viewers of this session since the last answer, in order. `notice`: null after the viewer lost control.
   */
  readonly events: readonly { readonly client: string; readonly notice: ControlNotice | null }[];
}

/** Maximum number of items of a batch, or of an answer. */
const MAX_ITEMS = 8192;

const MAX_CLIENT = 64;

/** Maximum length of a viewer's name, as in the protocol: in code points, and in UTF-16 code units. */
const MAX_NAME = 64;
const MAX_NAME_LENGTH = 2 * MAX_NAME;

/** Maximum length of a time, of a code and of a reason: viewers reject longer texts. */
const MAX_TIME = 32;
const MAX_CODE = 64;
const MAX_REASON = 4096;

/** Maximum time to answer a request, in ms. */
const MAX_REMAINING_MS = 86_400_000;

/** @throws {TypeError} with the reason. Absent items mean an empty list. */
export function checkControlItems(items: unknown): readonly ControlItem[] {
  if (items === undefined) return [];
  if (!Array.isArray(items) || items.length > MAX_ITEMS)
    throw new TypeError(`the control items are not a list of at most ${MAX_ITEMS}`);
  return items.map(checkItem);
}

function checkItem(item: unknown): ControlItem {
  const { kind, client, port, name, action } = (typeof item === 'object' && item !== null ? item : {}) as Partial<
    Record<'kind' | 'client' | 'port' | 'name' | 'action', unknown>
  >;
  if (kind === 'revoke') return { kind };
  if (typeof client !== 'string' || client.length > MAX_CLIENT) throw new TypeError('a control item names no viewer');
  if (kind === 'exit') return { kind, client };
  if (kind === 'enter' && isPort(port) && typeof name === 'string')
    return { kind, client, port: Number(port), name: cleanText(name, MAX_NAME) };
  const known = CONTROL_ACTIONS.find((each) => each === action);
  if (kind === 'change' && isPort(port) && known !== undefined)
    return { kind, client, action: known, port: Number(port) };
  throw new TypeError(`an item of the control has the unknown kind ${String(kind)}, or is incomplete`);
}

/** Whether a value from the store is a valid state of control, which viewers accept. */
export function isControlState(value: unknown): value is ControlState {
  if (typeof value !== 'object' || value === null) return false;
  const { port, name, since, requests } = value as Partial<Record<keyof ControlState, unknown>>;
  return (
    (port === null || isPort(port)) &&
    isText(name, MAX_NAME_LENGTH) &&
    (since === null || isText(since, MAX_TIME)) &&
    Array.isArray(requests) &&
    requests.length <= MAX_CONTROL_REQUESTS &&
    requests.every(isRequest)
  );
}

function isRequest(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { port, name, remainingMs } = value as Partial<Record<keyof ControlState['requests'][number], unknown>>;
  const isDuration = typeof remainingMs === 'number' && remainingMs >= 0 && remainingMs <= MAX_REMAINING_MS;
  return isPort(port) && isText(name, MAX_NAME_LENGTH) && isDuration;
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535;
}

function isText(value: unknown, maxLength: number): boolean {
  return typeof value === 'string' && value.length <= maxLength;
}

/** Whether a part of an answer has the format of {@link ControlAnswer}. */
export function isControlAnswer(value: unknown): value is ControlAnswer {
  if (typeof value !== 'object' || value === null) return false;
  const { state, holder, results, events } = value as Partial<Record<keyof ControlAnswer, unknown>>;
  return (
    isControlState(state) &&
    (holder === null || isText(holder, MAX_CLIENT)) &&
    isListOf(results, isResult) &&
    isListOf(events, isEvent)
  );
}

function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length <= MAX_ITEMS && value.every(isItem);
}

function isResult(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { ok, port, code, reason } = value as Partial<Record<'ok' | 'port' | 'code' | 'reason', unknown>>;
  if (ok === true) return port === null || isPort(port);
  return ok === false && isText(code, MAX_CODE) && isText(reason, MAX_REASON);
}

function isEvent(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { client, notice } = value as Partial<Record<'client' | 'notice', unknown>>;
  if (typeof client !== 'string') return false;
  if (typeof notice !== 'object' || notice === null) return notice === null;
  const { code, reason } = notice as Partial<Record<'code' | 'reason', unknown>>;
  return CONTROL_NOTICES.some((known) => known === code) && isText(reason, MAX_REASON);
}
