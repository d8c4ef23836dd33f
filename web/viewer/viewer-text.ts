import type { ViewerControl, ViewerState } from './viewer-messages.ts';

/** Labels of the states, for the status chip and the notice. */
export const STATE_LABELS: Readonly<Record<ViewerState, string>> = {
  connecting: 'Connecting…',
  waiting: 'Waiting',
  live: 'Live',
  unsupported: 'Unsupported',
  paused: 'Paused',
  stale: 'Stale',
  ended: 'Ended',
  refused: 'Refused',
};

/** Label of the status chip while the link is too slow for the stream. */
export const SLOW_LINK_LABEL = 'Slow link';

/** Text for the status chip about who has control. */
export function controlText({ state, port, name }: ViewerControl): string {
  if (state === 'mine') return 'You have control';
  return state === 'free' ? 'Control is free' : `Controlled by ${name === '' ? `port ${port}` : `${name} (${port})`}`;
}

/** Text for screen readers. @param spectatorReason null for a viewer with a port. */
export function announcementText(state: ViewerState, reason: string, spectatorReason: string | null): string {
  const label = STATE_LABELS[state].replace('…', '');
  const parts = [reason === '' ? label : `${label}: ${reason}`];
  if (spectatorReason !== null) parts.push(`View only: ${spectatorReason}`);
  return parts.join('. ');
}

/** `42 s`, `3 min 7 s` or `1 h 20 min`. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A duration in whole milliseconds; a dash for null. */
export function formatLatency(ms: number | null): string {
  return ms === null ? '–' : `${Math.max(0, Math.round(ms))} ms`;
}
