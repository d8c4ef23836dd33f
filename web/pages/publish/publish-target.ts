import { html, nothing, type TemplateResult } from 'lit';
import type { RightsStatus, StreamStatus } from '../../../shared/status.ts';
import { acceptsPublishers } from '../shared/streams.ts';

/** Stream to publish to if the token does not allow listing the streams. */
const DEFAULT_STREAM = 'main';

/** Maximum number of other streams that are offered. */
const MAX_OFFERED = 8;

const NO_OBSTACLE = { obstacle: null, elsewhere: null, others: [] };

/** The parts of a stream's status that decide whether it accepts publishers. */
type Listed = Pick<StreamStatus, 'name' | 'gateway'> & { readonly source: Pick<StreamStatus['source'], 'kind'> };

/** The stream that a page publishes to. */
export interface PublishTarget {
  /** Name of the stream; null if no stream accepts publishers. */
  readonly stream: string | null;
  /** Why the stream does not accept publishers; null if it does, or if this is not known. */
  readonly obstacle: string | null;
  /** Address of the gateway that runs the source; null if this gateway runs it, or if the address is not known. */
  readonly elsewhere: string | null;
  /** Names of streams that accept publishers instead. */
  readonly others: readonly string[];
}

/**
 * Chooses the stream.
 *
 * @param wanted the stream in the page's address; null for the first one that accepts publishers.
 * @param streams the streams that the user may see; null if they cannot be listed. The user may have the right to
 *   publish to others.
 */
export function chooseTarget(wanted: string | null, streams: readonly Listed[] | null): PublishTarget {
  const suitable = (streams ?? []).filter(acceptsPublishers).map(({ name }) => name);
  if (streams === null || (wanted === null && suitable.length > 0))
    return { stream: wanted ?? suitable[0] ?? DEFAULT_STREAM, ...NO_OBSTACLE };
  const found = streams.find(({ name }) => name === wanted);
  const isUnknown = wanted !== null && found === undefined;
  if (isUnknown || (found !== undefined && acceptsPublishers(found))) return { stream: wanted, ...NO_OBSTACLE };
  const others = suitable.slice(0, MAX_OFFERED);
  if (found === undefined)
    return {
      stream: null,
      obstacle: 'No stream of this gateway accepts pictures from a browser',
      elsewhere: null,
      others,
    };
  const obstacle =
    found.gateway?.isHere === false
      ? `Its source runs on gateway ${found.gateway.name}`
      : `Its pictures come from another source (${found.source.kind})`;
  const url = found.source.kind === 'push' ? (found.gateway?.url ?? '') : '';
  // The address comes from that gateway, so it is checked.
  return { stream: found.name, obstacle, elsewhere: /^https?:/.test(url) ? url.replace(/\/$/, '') : null, others };
}

/**
 * Whether the user lacks the right to publish to the stream.
 *
 * @param rights null if they are not known: the gateway then decides when the publisher connects.
 */
export function lacksRight(
  { stream }: Pick<PublishTarget, 'stream'>,
  rights: Pick<RightsStatus, 'rights' | 'streams'> | null,
): boolean {
  if (rights === null || stream === null) return false;
  return !rights.rights.includes('publish') || rights.streams?.includes(stream) === false;
}

/** Shown instead of the buttons to start; nothing if the stream accepts publishers, or this is not known. */
export function obstacleNotice({
  stream,
  obstacle,
  elsewhere,
  others,
}: PublishTarget): TemplateResult | typeof nothing {
  if (obstacle === null) return nothing;
  const address = (name: string): string => `publish?stream=${encodeURIComponent(name)}`;
  const offer = (name: string): TemplateResult => html`<a class="primary" href=${address(name)}>Publish to ${name}</a>`;
  const remedy = html`<p>
    To publish from a browser, add a stream with the source <code>push:</code>
    (<code>--source NAME=push:</code>, or “Add stream” in the console).
  </p>`;
  return html`<div slot="idle" class="on-picture">
    <strong>${stream === null ? 'Nothing to publish to' : `You cannot publish to ${stream}`}</strong>
    <p>${obstacle}.</p>
    ${elsewhere === null || stream === null ? nothing : html`<a class="primary" href=${`${elsewhere}/${address(stream)}`}>Publish there</a>`}
    ${elsewhere === null && others.length === 0 ? remedy : others.map(offer)}
  </div>`;
}
