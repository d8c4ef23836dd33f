import { closeCode } from '../../shared/close-code.ts';
import type { CameraFailure, PublisherInput, PublisherState } from './publisher-messages.ts';

/** What a publisher is, as far as words need it. */
export interface Described {
  readonly state: PublisherState;
  readonly reason: string;
  readonly code: CameraFailure | number | null;
  readonly input: PublisherInput;
  readonly stream: string;
}

const WORDS: Readonly<Record<PublisherState, string>> = {
  idle: 'Not sending',
  asking: 'Waiting for the camera',
  connecting: 'Connecting',
  live: 'Live',
  paused: 'Paused',
  failed: 'No camera',
  refused: 'Refused',
};

const FAILURES: Readonly<Record<CameraFailure, string>> = {
  insecure: 'This page is not secure',
  unsupported: 'Not in this browser',
  denied: 'Not allowed',
  'no-camera': 'No camera',
  busy: 'The camera is busy',
  ended: 'The camera is gone',
};

/** Somebody else is in this publisher's place. */
export const isOther = (code: Described['code']): boolean => code === closeCode.publisherPresent || code === closeCode.takenOver;

const REFUSALS: ReadonlyMap<unknown, string> = new Map([
  [closeCode.publisherPresent, 'Somebody else publishes'],
  [closeCode.takenOver, 'Taken over'],
  [closeCode.notAllowed, 'A token is needed'],
  [closeCode.notForPublishers, 'Not for publishers'],
  [closeCode.unknownStream, 'No such stream'],
]);

/** In a word or two, for the chip. */
export function stateWord({ state, input }: Pick<Described, 'state' | 'input'>): string {
  if (input === 'screen' && state === 'asking') return 'Waiting for a choice';
  return input === 'screen' && state === 'failed' ? 'No screen' : WORDS[state];
}

/** A headline for the notice, and a sentence below it; empty for none. */
export function noticeWords(described: Described): { readonly title: string; readonly text: string } {
  const { state, reason, code, input, stream } = described;
  switch (state) {
    case 'idle':
      return { title: stream === '' ? WORDS.idle : `Send to ${stream}`, text: reason };
    case 'failed':
      return { title: input === 'screen' && (code === 'no-camera' || code === 'busy') ? 'No screen' : (FAILURES[code as CameraFailure] ?? WORDS.failed), text: reason };
    case 'refused':
      // What follows is for programs, which have no button.
      return { title: REFUSALS.get(code) ?? WORDS.refused, text: isOther(code) ? (reason.split(';')[0] ?? '') : reason };
    case 'asking':
    case 'connecting':
    case 'live':
    case 'paused':
      return { title: stateWord(described), text: reason };
    default:
      return state satisfies never;
  }
}
