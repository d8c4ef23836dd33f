import { html, type TemplateResult } from 'lit';
import type { GatewayStatus, StreamStatus } from '../../../shared/status.ts';
import { copyLine } from '../shared/copy-line.ts';
import { acceptsPublishers } from '../shared/streams.ts';
import { connectLines } from './connect-lines.ts';
import type { Fold } from './fold.ts';
import type { QrCode } from './qr-code.ts';
import { publishUrl } from './source-panel.ts';

export interface ConnectModel {
  readonly status: StreamStatus | null;
  readonly stream: string;
  /** Null before it is known. */
  readonly gateway: GatewayStatus | null;
  readonly fold: Fold;
  readonly qrCode: QrCode;
}

/** Addresses for other devices, and code that connects a source or client. Open until the stream is live. */
export function connectPanel({ status, stream, gateway, fold, qrCode }: ConnectModel): TemplateResult {
  const base = baseAddress(gateway);
  const isOpen = status !== null && status.state === 'waiting';
  return fold.render('phones, Python, web pages', isOpen, () => {
    const lines = connectLines({ status, base: gatewayAddress(gateway), stream });
    return html`${base === null ? thisMachineOnly() : otherDevice(base, status, stream, qrCode)} ${lines.map(copyLine)}`;
  });
}

/** The address of the gateway for code to copy, without the trailing slash. */
export function gatewayAddress(gateway: GatewayStatus | null): string {
  return baseAddress(gateway) ?? pageAddress();
}

/** The address of the gateway for other devices, without the trailing slash; null if they cannot reach the gateway. */
function baseAddress(gateway: GatewayStatus | null): string | null {
  const [networkUrl = null] = gateway?.networkUrls ?? [];
  const isLocal = /^(?:localhost|127\.[\d.]+|\[::1\])$/.test(location.hostname);
  const address = gateway?.publicUrl ?? (isLocal ? networkUrl : pageAddress());
  return address?.replace(/\/$/, '') ?? null;
}

function pageAddress(): string {
  return new URL('.', document.baseURI).href.replace(/\/$/, '');
}

function otherDevice(base: string, status: StreamStatus | null, stream: string, qrCode: QrCode): TemplateResult {
  // A stream without a publisher needs a publisher rather than another viewer.
  const publishes = status !== null && acceptsPublishers(status) && status.state === 'waiting';
  const address = publishes ? `${base}/${publishUrl(stream)}` : `${base}/?stream=${encodeURIComponent(stream)}`;
  return html`<div class="device">
    ${qrCode.render(address)}
    <div>
      <p>${publishes ? 'Publish from a phone' : 'Open on another device'}</p>
      <a class="link" href=${address}>${address}</a>
    </div>
  </div>`;
}

function thisMachineOnly(): TemplateResult {
  return html`<p class="device">
    <span
      >Only this machine can open the gateway. To use a phone or another computer, start the gateway with <code>--host 0.0.0.0 --token SECRET</code>.</span
    >
  </p>`;
}
