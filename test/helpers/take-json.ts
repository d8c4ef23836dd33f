import type { Returns } from '../../gateway/hub/returns/returns.ts';
import { encodePorts } from '../../gateway/sources/netgear/encode-ports.ts';

/** What a NetGear server gets in the next reply, as text. */
export function takeJson(returns: Pick<Returns, 'takeAll'>): string {
  return Buffer.concat(encodePorts(returns.takeAll())).toString();
}
