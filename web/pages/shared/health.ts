import { type ClientState, type ClientStatus, type StreamStatus, SUSPENDED_REASON } from '../../../shared/status.ts';
import { capitalize } from './text.ts';

/** Colour of a state's dot: `live` green, `stale` amber, `bad` red, `idle` gray. */
type Tone = 'live' | 'stale' | 'bad' | 'idle';

/** A state for display on the pages. */
export interface Health {
  readonly tone: Tone;
  readonly label: string;
  /** Description of the problem; empty if there is none. */
  readonly problem: string;
}

/** State of a stream. A stream is live only if browsers can show its frames. */
export function streamHealth({ state, reason, source, showable, clients }: StreamStatus): Health {
  switch (state) {
    case 'live': {
      const unsupported = clients.find((client) => client.state === 'unsupported');
      if (showable !== false && unsupported === undefined) return { tone: 'live', label: 'Live', problem: '' };
      return { tone: 'stale', label: 'No picture', problem: showable === false ? reason : (unsupported?.reason ?? '') };
    }
    case 'waiting':
      // A stream of another gateway is suspended here while no client here needs its frames.
      if (source.state === 'asleep' && reason === SUSPENDED_REASON)
        return { tone: 'idle', label: 'Asleep', problem: 'starts when a viewer connects' };
      return { tone: 'stale', label: 'Waiting', problem: reason };
    case 'stale':
      return { tone: 'stale', label: 'Stale', problem: reason };
    case 'ended':
      return { tone: 'bad', label: 'Ended', problem: reason };
    default:
      return state satisfies never;
  }
}

const CLIENT_TONES: Readonly<Record<ClientState, Tone>> = {
  live: 'live',
  slow: 'stale',
  paused: 'stale',
  stuck: 'stale',
  connecting: 'idle',
  unsupported: 'bad',
  refused: 'bad',
};

const CLIENT_PROBLEMS: Readonly<Record<ClientState, string>> = {
  live: '',
  slow: '',
  paused: '',
  connecting: '',
  stuck: 'does not read frames',
  unsupported: 'cannot decode the frames',
  refused: 'incompatible settings',
};

/**
 * State of a client. It is green only while the stream has frames and the client receives all of them.
 *
 * @param stream the client's stream; null if the gateway does not answer.
 */
export function clientHealth({ state, reason }: ClientStatus, stream: StreamStatus | null): Health {
  const problem = reason === '' ? CLIENT_PROBLEMS[state] : reason;
  const label = capitalize(state);
  if (stream === null) return { tone: 'idle', label, problem };
  if (state !== 'live') return { tone: CLIENT_TONES[state], label, problem };
  if (stream.state !== 'live') return { tone: 'idle', label: 'Connected', problem };
  return { tone: problem === '' ? 'live' : 'stale', label, problem };
}
