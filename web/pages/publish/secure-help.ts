import { html, type TemplateResult } from 'lit';
import { copyLine } from '../console/connect-panel.ts';

/** What to do where the page came over plain http from another machine, to which browsers give no camera. */
export function secureHelp(address: URL): TemplateResult {
  const port = address.port || '80';
  const here = `http://localhost:${port}${address.pathname}${address.search}`;
  return html`<section class="panel help" aria-label="How to get a secure page">
    <h2>A camera needs a secure page</h2>
    <p class="empty">Browsers give cameras and screens only to pages that came over https, or from the same device. One of these is enough:</p>
    ${copyLine({ title: 'Give the gateway a certificate that this device trusts, and open it over https', text: `npm start -- --source push: --host 0.0.0.0 --port ${port} --token SECRET --tls-cert cert.pem --tls-key key.pem` })}
    ${copyLine({ title: 'An Android phone on a cable: on the gateway’s machine', text: `adb reverse tcp:${port} tcp:${port}` })}
    ${copyLine({ title: 'Another computer: from there, through ssh', text: `ssh -N -L ${port}:127.0.0.1:${port} ${address.hostname}` })}
    ${copyLine({ title: 'With one of the latter two, open there', text: here })}
  </section>`;
}
