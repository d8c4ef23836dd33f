import { html, nothing, type TemplateResult } from 'lit';
import type { ClusterConnection } from '../../../shared/status.ts';
import { formatTime } from '../shared/text.ts';

/**
 * Notice that the gateway cannot reach its cluster: the consequences, and what to do.
 *
 * @param cluster null or undefined without a cluster, and before it is known.
 */
export function clusterNotice(cluster: ClusterConnection | null | undefined): TemplateResult | typeof nothing {
  if (cluster?.isConnected !== false) return nothing;
  const { unreachableSince } = cluster;
  return html`<div class="notice cluster-notice" role="status">
    <p>
      <strong>This gateway has been cut off from its cluster${unreachableSince === null ? '' : ` since ${formatTime(unreachableSince)}`}.</strong>
      It reconnects automatically. If this lasts, check the NATS server and the network to it.
    </p>
    <details>
      <summary>What still works</summary>
      <ul>
        <li>The streams of this gateway continue, except those with failover.</li>
        <li>Streams of other gateways show their last picture.</li>
        <li>New viewers watch without a port, and cannot return data.</li>
        <li>After 30 seconds, viewers with a port and NetGear clients are disconnected.</li>
      </ul>
    </details>
  </div>`;
}
