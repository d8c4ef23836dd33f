import { cleanText } from '../../shared/clean-text.ts';
import { CONTROL_ACTIONS, type ControlAction } from '../../shared/protocol.ts';
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

/** Maximum length of a viewer's name, as in the protocol. */
const MAX_NAME = 64;

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
  const isPort = Number.isInteger(port) && Number(port) >= 0 && Number(port) <= 65_535;
  if (kind === 'exit') return { kind, client };
  if (kind === 'enter' && isPort && typeof name === 'string')
    return { kind, client, port: Number(port), name: cleanText(name, MAX_NAME) };
  const known = CONTROL_ACTIONS.find((each) => each === action);
  if (kind === 'change' && isPort && known !== undefined) return { kind, client, action: known, port: Number(port) };
  throw new TypeError(`an item of the control has the unknown kind ${String(kind)}, or is incomplete`);
}

/** Whether a value from the store is a valid state of control. */
export function isControlState(value: unknown): value is ControlState {
  if (typeof value !== 'object' || value === null) return false;
  const { port, name, since, requests } = value as Partial<Record<keyof ControlState, unknown>>;
  return (
    (port === null || Number.isInteger(port)) &&
    typeof name === 'string' &&
    (since === null || typeof since === 'string') &&
    Array.isArray(requests) &&
    requests.length <= MAX_ITEMS &&
    requests.every(isRequest)
  );
}

function isRequest(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { port, name, remainingMs } = value as Partial<Record<keyof ControlState['requests'][number], unknown>>;
  return Number.isInteger(port) && typeof name === 'string' && typeof remainingMs === 'number';
}

/** Whether a part of an answer has the format of {@link ControlAnswer}. */
export function isControlAnswer(value: unknown): value is ControlAnswer {
  if (typeof value !== 'object' || value === null) return false;
  const { state, holder, results, events } = value as Partial<Record<keyof ControlAnswer, unknown>>;
  return (
    isControlState(state) &&
    (holder === null || typeof holder === 'string') &&
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
  if (ok === true) return port === null || Number.isInteger(port);
  return ok === false && typeof code === 'string' && typeof reason === 'string';
}

function isEvent(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { client, notice } = value as Partial<Record<'client' | 'notice', unknown>>;
  if (typeof client !== 'string') return false;
  if (typeof notice !== 'object' || notice === null) return notice === null;
  const { code, reason } = notice as Partial<Record<'code' | 'reason', unknown>>;
  return CONTROL_NOTICES.some((known) => known === code) && typeof reason === 'string';
}
