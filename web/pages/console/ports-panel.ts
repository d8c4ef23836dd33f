import { html, nothing, type TemplateResult } from 'lit';
import type { PortRange, StreamStatus } from '../../../shared/status.ts';

/** More squares than that say less than the sentence. */
const MAX_SQUARES = 256;

/** So few ports are shown with their numbers: a server's seats. */
const MAX_SEATS = 12;

type PortState = 'free' | 'taken' | 'held' | 'reserved' | 'native';

const WORDS: Readonly<Record<PortState, string>> = { free: 'free', taken: 'taken', held: 'held for a viewer that has just left', reserved: 'reserved for the owner of its token', native: "a native client's" };
const SHORT_WORDS: Readonly<Record<PortState, string>> = { free: 'free', taken: 'taken', held: 'held', reserved: 'reserved', native: 'native' };

/** Which virtual ports are free, and which are not. */
export function portsPanel(status: StreamStatus | null): TemplateResult | typeof nothing {
  if (status === null) return nothing;
  const { ranges, free, taken, held, reserved } = status.ports;
  const occupied = new Map(status.clients.map(({ port, kind }) => [port, kind === 'native' ? 'native' : 'taken'] as const));
  const heldPorts = new Set(held);
  const reservedPorts = new Set(reserved);
  const stateOf = (port: number): PortState => occupied.get(port) ?? (heldPorts.has(port) ? 'held' : reservedPorts.has(port) ? 'reserved' : 'free');
  const ports = ranges.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, index) => from + index));
  const names = formatRanges(ranges);
  const sentence = [`${taken} of ${ports.length} taken`, `${free} free`, ...(held.length > 0 ? [`${held.length} held`] : []), ...(reserved.length > 0 ? [`${reserved.length} reserved`] : [])].join(', ');
  return html`<section class="panel" aria-label="Web ports">
    <h2>Web ports <small>${ports.length > MAX_SEATS ? `${names}: ${sentence}` : sentence}</small></h2>
    ${ports.length <= MAX_SEATS ? seats(ports, stateOf) : ports.length > MAX_SQUARES ? nothing : squares(ports, stateOf, sentence)}
  </section>`;
}

function seats(ports: readonly number[], stateOf: (port: number) => PortState): TemplateResult {
  return html`<ul class="seats">
    ${ports.map((port) => html`<li title=${WORDS[stateOf(port)]}><span class=${`port ${stateOf(port)}`}></span>${port} <span class="kind">${SHORT_WORDS[stateOf(port)]}</span></li>`)}
  </ul>`;
}

function squares(ports: readonly number[], stateOf: (port: number) => PortState, sentence: string): TemplateResult {
  return html`<div class="ports" role="img" aria-label=${sentence}>${ports.map((port) => html`<span class=${`port ${stateOf(port)}`} title=${`${port}: ${WORDS[stateOf(port)]}`}></span>`)}</div>`;
}

/** `6000–6063, 7000`. Ports that follow each other are one range. */
export function formatRanges(ranges: readonly PortRange[]): string {
  const joined: { from: number; to: number }[] = [];
  for (const { from, to } of ranges) {
    const last = joined.at(-1);
    if (last?.to === from - 1) last.to = to;
    else joined.push({ from, to });
  }
  return joined.map(({ from, to }) => (from === to ? String(from) : `${from}–${to}`)).join(', ');
}
