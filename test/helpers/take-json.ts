import type { Returns } from '../../gateway/hub/returns/returns.ts';
import { encodePorts } from '../../gateway/sources/netgear/encode-ports.ts';

/** The next reply to a NetGear server, as text. */
export function takeJson(returns: Pick<Returns, 'takeAll'>): string {
  return Buffer.concat(encodePorts(returns.takeAll())).toString();
}
