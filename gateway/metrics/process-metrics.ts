import { collectDefaultMetrics, Registry } from 'prom-client';

/** Interval at which the event loop's delay is sampled. */
const LOOP_PRECISION_MS = 20;

/** Gauges whose names end in `_total`, which Prometheus reserves for counters; their parts by type are kept. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

let registry: Registry | null = null;

/**
 * CPU time, memory, garbage collection, descriptors and event loop of this process. One for all gateways of the
 * process, because the measurements begin with the first scrape and run until the process ends.
 */
export function processMetrics(): Registry {
  if (registry !== null) return registry;
  registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_PRECISION_MS });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  return registry;
}
