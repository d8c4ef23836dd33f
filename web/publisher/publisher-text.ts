import { formatBitRate } from '../../shared/bit-rate.ts';
import { closeCode } from '../../shared/close-code.ts';
import type { CameraFailure, PublisherInput } from '../capture/capture-types.ts';
import type { PublisherState, PublisherStats } from './publisher-messages.ts';

/** Properties of a publisher on which its texts depend. */
interface DescribedPublisher {
  readonly state: PublisherState;
  readonly reason: string;
  readonly code: CameraFailure | number | null;
  readonly input: PublisherInput;
  readonly stream: string;
}

const STATE_LABELS: Readonly<Record<PublisherState, string>> = {
  idle: 'Not publishing',
  asking: 'Opening camera…',
  connecting: 'Connecting…',
  live: 'Live',
  paused: 'Paused',
  failed: 'No camera',
  refused: 'Refused',
};

const FAILURE_TITLES: Readonly<Record<CameraFailure, string>> = {
  insecure: 'Page is not secure',
  unsupported: 'Not supported',
  denied: 'Permission denied',
  'no-camera': 'No camera',
  busy: 'Camera in use',
  ended: 'Camera disconnected',
};

const REFUSAL_TITLES: ReadonlyMap<unknown, string> = new Map([
  [closeCode.publisherPresent, 'Another publisher is active'],
  [closeCode.takenOver, 'Taken over'],
  [closeCode.notAllowed, 'Token required'],
  [closeCode.notForPublishers, 'Publishing not supported'],
  [closeCode.unknownStream, 'No such stream'],
]);

/** Whether the publisher was refused because of another publisher, and may take over. */
export function isOtherPublisher(code: DescribedPublisher['code']): boolean {
  return code === closeCode.publisherPresent || code === closeCode.takenOver;
}

/** Label of the state, for the status chip. */
export function stateLabel({ state, input }: Pick<DescribedPublisher, 'state' | 'input'>): string {
  if (input === 'screen' && state === 'asking') return 'Choose a screen';
  return input === 'screen' && state === 'failed' ? 'No screen' : STATE_LABELS[state];
}

/**
 * Describes the sent pictures if they are smaller or fewer than the attributes request, and gives the cause; otherwise
 * empty.
 */
export function loweredText(stats: PublisherStats): string {
  const { loweredBy, width, height, quality, linkBitsPerSecond } = stats;
  if (loweredBy === null || width === 0) return '';
  const cause =
    loweredBy === 'max-bitrate'
      ? 'maximum bit rate'
      : linkBitsPerSecond === null
        ? 'slow link'
        : `link ${formatBitRate(linkBitsPerSecond)}`;
  return `${width}×${height}, quality ${quality}: ${cause}`;
}

/** Title and text of the notice. The text may be empty. */
export function noticeText(publisher: DescribedPublisher): { readonly title: string; readonly text: string } {
  const { state, reason, code, stream } = publisher;
  switch (state) {
    case 'idle':
      return { title: stream === '' ? STATE_LABELS.idle : `Publish to ${stream}`, text: reason };
    case 'failed':
      return { title: failureTitle(publisher), text: reason };
    case 'refused': {
      // The part after the semicolon is advice for programs; the page shows a button instead.
      const text = isOtherPublisher(code) ? (reason.split(';')[0] ?? '') : reason;
      return { title: REFUSAL_TITLES.get(code) ?? STATE_LABELS.refused, text };
    }
    case 'asking':
    case 'connecting':
    case 'live':
    case 'paused':
      return { title: stateLabel(publisher), text: reason };
    default:
      return state satisfies never;
  }
}

function failureTitle({ code, input }: DescribedPublisher): string {
  if (input === 'screen' && (code === 'no-camera' || code === 'busy')) return 'No screen';
  return FAILURE_TITLES[code as CameraFailure] ?? STATE_LABELS.failed;
}
