import { html, type TemplateResult } from 'lit';
import { formatBitRate } from '../../../shared/bit-rate.ts';
import type { ViewerStats } from '../viewer-messages.ts';
import { formatLatency } from '../viewer-text.ts';
import { sparkline } from './sparkline.ts';

/** Statistics over the picture: current values, and plots of the last minute. */
export function statsPanel(readings: readonly ViewerStats[]): TemplateResult {
  const now = readings.at(-1);
  if (now === undefined) return html`<div part="stats" class="stats">No statistics yet</div>`;
  const row = (name: string, value: string, plot?: (stats: ViewerStats) => number): TemplateResult =>
    html`<tr>
      <th scope="row">${name}</th>
      <td>${value}</td>
      <td class="plot">${plot === undefined ? '' : sparkline(readings.map(plot))}</td>
    </tr>`;
  const { latencyMs, roundTripMs, window } = now;
  const fromCapture =
    latencyMs === null
      ? ''
      : row('Latency from capture', formatLatency(latencyMs), (stats) => Math.max(0, stats.latencyMs ?? 0));
  const roundTrip = roundTripMs === null ? '–' : `${roundTripMs.toFixed(roundTripMs < 10 ? 1 : 0)} ms`;
  const encoding = now.encoding === 'h264' ? 'H.264' : now.encoding.toUpperCase();
  const size = now.width === 0 ? '–' : `${now.width}×${now.height} ${encoding}`;
  // The panel scrolls in a small picture, and must then be reachable by keyboard.
  return html`<div part="stats" class="stats" tabindex="0" role="region" aria-label="Viewer statistics">
    <table>
      <caption class="hidden">Viewer statistics</caption>
      <tbody>
        ${row('Latency from gateway', formatLatency(now.delayMs), (stats) => stats.delayMs ?? 0)} ${fromCapture}
        ${row('Received', `${now.receivedPerSecond.toFixed(1)} fps`, (stats) => stats.receivedPerSecond)}
        ${row('Displayed', `${now.framesPerSecond.toFixed(1)} fps`, (stats) => stats.framesPerSecond)}
        ${row('Bit rate', `${(now.bitsPerSecond / 1e6).toFixed(1)} Mbit/s`, (stats) => stats.bitsPerSecond)}
        ${row('Decode time', `${now.decodeMs.toFixed(1)} ms`, (stats) => stats.decodeMs)}
        ${row('Round trip', roundTrip, (stats) => stats.roundTripMs ?? 0)}
        ${row('Dropped by gateway', String(now.dropped), (stats) => stats.dropped)}
        ${row('Skipped by viewer', String(now.skipped), (stats) => stats.skipped)}
        ${row('Decode errors', String(now.failed), (stats) => stats.failed)}
        ${row('In-flight limit', window === null ? '–' : `${window} ${window === 1 ? 'frame' : 'frames'}`)}
        ${row('Size', size)}
        ${row('Link', now.linkBitsPerSecond === null ? '–' : formatBitRate(now.linkBitsPerSecond))}
        ${row('Quality', now.delivery === '' ? 'source' : now.delivery)}
      </tbody>
    </table>
  </div>`;
}
