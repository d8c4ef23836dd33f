import { html, type TemplateResult } from 'lit';
import type { ViewerStats } from '../session-messages.ts';
import { sparkline } from './sparkline.ts';

/** The statistics over the picture: what each figure is now, and its last minute. */
export function statsPanel(readings: readonly ViewerStats[]): TemplateResult {
  const now = readings.at(-1);
  if (now === undefined) return html`<div part="stats" class="stats">No figures yet</div>`;
  const row = (name: string, value: string, plot?: (stats: ViewerStats) => number): TemplateResult =>
    html`<tr>
      <th scope="row">${name}</th>
      <td>${value}</td>
      <td class="plot">${plot === undefined ? '' : sparkline(readings.map(plot))}</td>
    </tr>`;
  // In a small picture it scrolls, which the keyboard must be able to do.
  return html`<div part="stats" class="stats" tabindex="0" role="region" aria-label="Statistics of this viewer">
    <table>
      <caption class="hidden">Statistics of this viewer</caption>
      <tbody>
        ${row('Delay to screen', now.delayMs === null ? '–' : `${Math.max(0, Math.round(now.delayMs))} ms`, (stats) => stats.delayMs ?? 0)}
        ${row('Received', `${now.receivedPerSecond.toFixed(1)} /s`, (stats) => stats.receivedPerSecond)}
        ${row('Painted', `${now.framesPerSecond.toFixed(1)} /s`, (stats) => stats.framesPerSecond)}
        ${row('Bit rate', `${(now.bitsPerSecond / 1e6).toFixed(1)} Mbit/s`, (stats) => stats.bitsPerSecond)}
        ${row('Decode', `${now.decodeMs.toFixed(1)} ms`, (stats) => stats.decodeMs)}
        ${row('Round trip', now.roundTripMs === null ? '–' : `${now.roundTripMs.toFixed(now.roundTripMs < 10 ? 1 : 0)} ms`, (stats) => stats.roundTripMs ?? 0)}
        ${row('Dropped in the gateway', String(now.dropped), (stats) => stats.dropped)}
        ${row('Skipped in the viewer', String(now.skipped), (stats) => stats.skipped)}
        ${row('Failed to decode', String(now.failed), (stats) => stats.failed)}
        ${row('Window', now.window === null ? '–' : `${now.window} frames`)}
        ${row('Size', now.width === 0 ? '–' : `${now.width}×${now.height} ${now.encoding.toUpperCase()}`)}
      </tbody>
    </table>
  </div>`;
}
