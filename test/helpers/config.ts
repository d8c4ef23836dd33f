import { SILENT_LOGGER } from '../../shared/logger.ts';
import { createSources } from '../../gateway/create-sources.ts';
import { createFormats } from '../../gateway/config/formats.ts';
import type { GatewayOptions } from '../../gateway/config/gateway-options.ts';
import { listSources, resolveOptions } from '../../gateway/config/options.ts';

/** The same checks of strings as those of the command. */
export const formats = createFormats((url) => createSources([url], SILENT_LOGGER));

/** Checks options as a whole, like the command; returns the names of the streams. */
export function checkOptions(options: GatewayOptions): string[] {
  const sources = createSources(listSources(options), SILENT_LOGGER);
  resolveOptions(
    options,
    sources.map(({ name, entry, source }) => ({ name, entry, serverPorts: source.serverPorts })),
  );
  return sources.map(({ name }) => name);
}
