import { html, nothing, type TemplateResult } from 'lit';
import type { PortRange, StreamStatus } from '../../../shared/status.ts';

/** Maximum number of ports that are shown as squares. */
const MAX_SQUARES = 256;

/** Maximum number of ports that are listed by number, such as those of a server with one port per client. */
const MAX_LISTED = 12;

type PortState = 'free' | 'used' | 'leased' | 'reserved' | 'native';

const LABELS: Readonly<Record<PortState, string>> = {
  free: 'free',
  used: 'in use',
  leased: 'leased',
  reserved: 'reserved',
  native: 'native',
};

const DESCRIPTIONS: Readonly<Record<PortState, string>> = {
  free: 'free',
  used: 'in use',
  leased: 'leased to a viewer that has just disconnected',
  reserved: 'reserved by a token',
  native: 'used by a native client',
};

/** The virtual ports of a stream, and their use. */
export function portsPanel(status: StreamStatus | null): TemplateResult | typeof nothing {
  if (status === null) return nothing;
  const { ranges } = status.ports;
  const ports = ranges.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, index) => from + index));
  const stateOf = portStates(status);
  const summary = portSummary(status, ports.length);
  const isListed = ports.length <= MAX_LISTED;
  return html`<section class="panel" aria-label="Web ports">
    <h2>Web ports <small>${isListed ? summary : `${formatRanges(ranges)}: ${summary}`}</small></h2>
    ${isListed ? portList(ports, stateOf) : ports.length > MAX_SQUARES ? nothing : squares(ports, stateOf, summary)}
  </section>`;
}

function portStates(status: StreamStatus): (port: number) => PortState {
  const kinds = new Map(status.clients.map(({ port, kind }) => [port, kind]));
  const leased = new Set(status.ports.held);
  const reserved = new Set(status.ports.reserved);
  return (port) => {
    const kind = kinds.get(port);
    if (kind !== undefined) return kind === 'native' ? 'native' : 'used';
    return leased.has(port) ? 'leased' : reserved.has(port) ? 'reserved' : 'free';
  };
}

function portSummary({ ports: { taken, free, held, reserved } }: StreamStatus, total: number): string {
  const parts = [`${taken} of ${total} in use`, `${free} free`];
  if (held.length > 0) parts.push(`${held.length} leased`);
  if (reserved.length > 0) parts.push(`${reserved.length} reserved`);
  return parts.join(', ');
}

function portList(ports: readonly number[], stateOf: (port: number) => PortState): TemplateResult {
  const item = (port: number): TemplateResult => {
    const state = stateOf(port);
    return html`<li title=${DESCRIPTIONS[state]}>
      <span class=${`port ${state}`}></span>${port} <span class="kind">${LABELS[state]}</span>
    </li>`;
  };
  return html`<ul class="port-list">
    ${ports.map(item)}
  </ul>`;
}

function squares(ports: readonly number[], stateOf: (port: number) => PortState, summary: string): TemplateResult {
  const square = (port: number): TemplateResult => {
    const state = stateOf(port);
    return html`<span class=${`port ${state}`} title=${`${port}: ${DESCRIPTIONS[state]}`}></span>`;
  };
  return html`<div class="ports" role="img" aria-label=${summary}>${ports.map(square)}</div>`;
}

/** `6000–6063, 7000`. Consecutive ranges are joined. */
function formatRanges(ranges: readonly PortRange[]): string {
  const joined: { from: number; to: number }[] = [];
  for (const { from, to } of ranges) {
    const last = joined.at(-1);
    if (last?.to === from - 1) last.to = to;
    else joined.push({ from, to });
  }
  return joined.map(({ from, to }) => (from === to ? String(from) : `${from}–${to}`)).join(', ');
}
