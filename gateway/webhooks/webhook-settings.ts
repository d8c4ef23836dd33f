import { EVENT_KINDS, type GatewayEvent, STREAM_STATES } from '../../shared/status.ts';

/** Events that a webhook can select: a kind, or a state that a stream enters or stays in for another reason. */
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

/** All values of {@link WebhookEvent}. */
export const WEBHOOK_EVENTS = [...EVENT_KINDS, ...STREAM_STATES] as const;

/** Validated options of one webhook. */
export interface WebhookSettings {
  readonly name: string;
  readonly url: string;
  /** Selected events; null for all. */
  readonly events: readonly WebhookEvent[] | null;
  /** Names of streams; null for all streams, and events of the whole gateway. */
  readonly streams: readonly string[] | null;
  /** Key of the signature; null to send events unsigned. */
  readonly secret: Uint8Array | null;
  /** Time within which the receiver must answer. */
  readonly timeoutMs: number;
}

/** Whether a webhook has selected this event. */
export function selects(
  { events, streams }: Pick<WebhookSettings, 'events' | 'streams'>,
  { kind, state, stream }: GatewayEvent,
): boolean {
  const isSelected = events === null || events.includes(kind) || (state !== undefined && events.includes(state));
  return isSelected && (streams === null || (stream !== null && streams.includes(stream)));
}
