import { html, nothing, type TemplateResult } from 'lit';
import type { PortRange, StreamStatus } from '../../../shared/status.ts';
import type { Fold } from './fold.ts';

/** Maximum number of ports that are shown as squares. */
const MAX_SQUARES = 256;

/** Maximum number of ports that are listed by number, such as those of a server with one port per client. */
const MAX_LISTED = 12;

type PortState = 'free' | 'used' | 'leased' | 'reserved' | 'native';

const STATES: readonly PortState[] = ['used', 'native', 'leased', 'reserved', 'free'];

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

interface Port {
  readonly port: number;
  readonly state: PortState;
}

/** Number of virtual ports of a stream that are in use, and on demand the use of each. */
export function portsPanel(status: StreamStatus | null, fold: Fold): TemplateResult | typeof nothing {
  if (status === null) return nothing;
  const { ranges } = status.ports;
  const stateOf = portStates(status);
  const ports = ranges.flatMap(({ from, to }) =>
    Array.from({ length: to - from + 1 }, (_, index) => ({ port: from + index, state: stateOf(from + index) })),
  );
  const used = ports.filter(({ state }) => state === 'used' || state === 'native').length;
  return fold.render(`${used} of ${ports.length} in use`, false, () => details(ports, ranges));
}

function details(ports: readonly Port[], ranges: readonly PortRange[]): TemplateResult {
  if (ports.length <= MAX_LISTED) return portList(ports);
  const counts = STATES.map((state) => ({ state, count: ports.filter((port) => port.state === state).length }));
  const legend = counts.filter(({ count }) => count > 0);
  return html`<div class="ports">
    <p>Ports ${formatRanges(ranges)}. A viewer gets the lowest free port.</p>
    ${ports.length > MAX_SQUARES ? nothing : squares(ports)}
    <ul class="port-list">
      ${legend.map(({ state, count }) => html`<li title=${DESCRIPTIONS[state]}><span class=${`port ${state}`}></span>${count} ${LABELS[state]}</li>`)}
    </ul>
  </div>`;
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

function portList(ports: readonly Port[]): TemplateResult {
  const item = ({ port, state }: Port): TemplateResult =>
    html`<li title=${DESCRIPTIONS[state]}>
      <span class=${`port ${state}`}></span>${port} <span class="kind">${LABELS[state]}</span>
    </li>`;
  return html`<div class="ports"><ul class="port-list">${ports.map(item)}</ul></div>`;
}

/** Hidden from screen readers: the numbers below give the same information. */
function squares(ports: readonly Port[]): TemplateResult {
  const square = ({ port, state }: Port): TemplateResult =>
    html`<span class=${`port ${state}`} title=${`${port}: ${DESCRIPTIONS[state]}`}></span>`;
  return html`<div class="squares" aria-hidden="true">${ports.map(square)}</div>`;
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
