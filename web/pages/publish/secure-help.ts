import { html, type TemplateResult } from 'lit';
import { copyLine } from '../shared/copy-line.ts';

/** Help for a page that was loaded over plain HTTP from another machine, where browsers block the camera. */
export function secureHelp(address: URL): TemplateResult {
  const port = address.port || '80';
  const options = `--source push: --host 0.0.0.0 --port ${port} --token SECRET --tls-cert cert.pem --tls-key key.pem`;
  return html`<section class="panel help" aria-label="How to get a secure page">
    <h2>A camera needs a secure page</h2>
    <p class="empty">
      Browsers allow camera and screen only on pages loaded over HTTPS, or from the same device. There are three ways:
    </p>
    ${copyLine({
      title: 'HTTPS: start the gateway with a certificate that this device trusts',
      text: `npm start -- ${options}`,
    })}
    ${copyLine({
      title: 'Android phone on a USB cable: run on the gateway’s machine',
      text: `adb reverse tcp:${port} tcp:${port}`,
    })}
    ${copyLine({
      title: 'Another computer: run there, to forward the port over SSH',
      text: `ssh -N -L ${port}:127.0.0.1:${port} ${address.hostname}`,
    })}
    ${copyLine({
      title: 'With USB or SSH: then open on that device',
      text: `http://localhost:${port}${address.pathname}${address.search}`,
    })}
  </section>`;
}
