import { html, nothing, render, type TemplateResult } from 'lit';
import type { StreamStatus } from '../../../shared/status.ts';
import type { GearwayViewer } from '../../viewer/gearway-viewer.ts';
import type { ViewerStats } from '../../viewer/viewer-messages.ts';
import { arrayTools } from './array-tools.ts';
import { figure, figureList, plot } from '../shared/figures.ts';
import { capitalize, formatCount } from '../shared/text.ts';
import { publishLink } from './source-panel.ts';

/** Minimum and maximum width-to-height ratio of the picture's box. Beyond it, the picture has bars. */
const MIN_RATIO = 4 / 3;
const MAX_RATIO = 2;
const DEFAULT_RATIO = 16 / 9;

/** The viewer, and the figures of its stream. */
export function picturePanel(
  viewer: GearwayViewer,
  status: StreamStatus | null,
  mayPublish: boolean,
  onChange: () => void,
): TemplateResult {
  render(slottedNotice(status, mayPublish), viewer);
  viewer.style.setProperty('--ratio', String(boxRatio(viewer, status)));
  return html`<section class="panel picture" aria-label="Picture">
    ${viewer}${arrayTools(viewer, onChange)}${figures(viewer)}
  </section>`;
}

/**
 * The box has the proportions of the picture, so that the picture has no bars, and the page does not move when the
 * picture arrives.
 */
function boxRatio({ rotate, stats }: GearwayViewer, status: StreamStatus | null): number {
  const { width, height } = stats.width > 0 ? stats : (status?.frame ?? stats);
  if (width === 0 || height === 0) return DEFAULT_RATIO;
  const ratio = rotate % 180 === 0 ? width / height : height / width;
  return Math.min(MAX_RATIO, Math.max(MIN_RATIO, ratio));
}

/** Replaces the viewer's own notice with a link to publish, if the stream waits for a publisher. */
function slottedNotice(status: StreamStatus | null, mayPublish: boolean): TemplateResult | typeof nothing {
  if (status === null || status.source.kind !== 'push' || !mayPublish) return nothing;
  return html`<div slot="waiting" class="on-picture">
    <strong>${capitalize(status.reason)}</strong>
    ${publishLink(status, 'primary')}
  </div>`;
}

/** Number of frames of a reading that were not shown. */
function lostFrames({ dropped, skipped, failed }: ViewerStats): number {
  return dropped + skipped + failed;
}

function figures({ state, stats, statsHistory: history }: GearwayViewer): TemplateResult {
  const isLive = state === 'live';
  const latency = isLive && stats.delayMs !== null ? String(Math.max(0, Math.round(stats.delayMs))) : '–';
  // A counter only increases, so the plot shows the change from reading to reading.
  const lost = history.map((reading, index) => lostFrames(reading) - lostFrames(history[index - 1] ?? reading));
  const total = stats.received === 0 ? '' : `of ${formatCount(stats.received + stats.dropped)}`;
  return figureList([
    figure(
      'Frame rate',
      isLive ? stats.framesPerSecond.toFixed(1) : '–',
      'fps',
      plot(history, (reading) => reading.framesPerSecond),
    ),
    figure(
      'Latency',
      latency,
      'ms from gateway',
      plot(history, (reading) => reading.delayMs ?? 0),
    ),
    figure(
      'Bit rate',
      isLive ? (stats.bitsPerSecond / 1e6).toFixed(1) : '–',
      'Mbit/s',
      plot(history, (reading) => reading.bitsPerSecond),
    ),
    figure(
      'Dropped',
      stats.received === 0 ? '–' : formatCount(lostFrames(stats)),
      total,
      plot(lost, (count) => count),
    ),
  ]);
}
