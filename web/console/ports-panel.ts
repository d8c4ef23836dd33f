import { html, nothing, type TemplateResult } from 'lit';
import type { StreamStatus } from '../../shared/status.ts';

/** More squares than that say less than the sentence. */
const MAX_SQUARES = 256;

type PortState = 'free' | 'taken' | 'held' | 'reserved' | 'native';

const WORDS: Readonly<Record<PortState, string>> = { free: 'free', taken: 'taken', held: 'held for a viewer that has just left', reserved: 'reserved for the owner of its token', native: "a native client's" };

/** Which virtual ports are free, and which are not. */
export function portsPanel(status: StreamStatus | null): TemplateResult | typeof nothing {
  if (status === null) return nothing;
  const { ranges, free, taken, held, reserved } = status.ports;
  const occupied = new Map(status.clients.map(({ port, kind }) => [port, kind === 'native' ? 'native' : 'taken'] as const));
  const heldPorts = new Set(held);
  const reservedPorts = new Set(reserved);
  const stateOf = (port: number): PortState => occupied.get(port) ?? (heldPorts.has(port) ? 'held' : reservedPorts.has(port) ? 'reserved' : 'free');
  const ports = ranges.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, index) => from + index));
  const names = ranges.map(({ from, to }) => (from === to ? from : `${from}–${to}`)).join(', ');
  const sentence = [`${taken} of ${ports.length} taken`, `${free} free`, ...(held.length > 0 ? [`${held.length} held`] : []), ...(reserved.length > 0 ? [`${reserved.length} reserved`] : [])].join(', ');
  return html`<section class="panel" aria-label="Web ports">
    <h2>Web ports <small>${names}: ${sentence}</small></h2>
    ${ports.length > MAX_SQUARES
      ? nothing
      : html`<div class="ports" role="img" aria-label=${sentence}>${ports.map((port) => html`<span class=${`port ${stateOf(port)}`} title=${`${port}: ${WORDS[stateOf(port)]}`}></span>`)}</div>`}
  </section>`;
}
