import { Counter, Gauge, Histogram, type MetricType, type Registry } from 'prom-client';
import { LATENCY_BOUNDS_MS, type LatencyHistogram } from '../hub/latency-histogram.ts';

/** Values of a metric's labels. */
type Labels = Readonly<Record<string, string>>;

/** Name, meaning and label names of a metric. */
interface Family {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** Sets one value of a metric. */
type Set<T> = (labels: Labels, value: T) => void;

/** Adds a gauge whose values `read` sets at each scrape. */
export function addGauge(registry: Registry, { name, help, labels }: Family, read: (set: Set<number>) => void): void {
  const gauge: Gauge = new Gauge({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
    collect: () => {
      gauge.reset();
      read((values, value) => gauge.set({ ...values }, value));
    },
  });
}

/** Adds a counter whose values `read` copies from counters of the gateway at each scrape. */
export function addCounter(registry: Registry, { name, help, labels }: Family, read: (set: Set<number>) => void): void {
  const counter: Counter = new Counter({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
    collect: () => {
      counter.reset();
      read((values, value) => counter.inc({ ...values }, value));
    },
  });
}

/** Adds a histogram in seconds whose values `read` copies from histograms of the hub at each scrape. */
export function addHistogram(registry: Registry, family: Family, read: (set: Set<LatencyHistogram>) => void): void {
  registry.registerMetric(new HubHistogram(family, read));
}

/** prom-client declares its types as numbers, but uses strings. */
const HISTOGRAM = 'histogram' as unknown as MetricType.Histogram;

/** A histogram that is counted elsewhere: that of prom-client accepts only single observations. */
class HubHistogram extends Histogram {
  readonly #read: (set: Set<LatencyHistogram>) => void;
  readonly #family: Family;

  constructor(family: Family, read: (set: Set<LatencyHistogram>) => void) {
    super({ name: family.name, help: family.help, labelNames: [...family.labels], registers: [] });
    this.#family = family;
    this.#read = read;
  }

  override async get(): Promise<Awaited<ReturnType<Histogram['get']>>> {
    const { name, help } = this.#family;
    const values: Awaited<ReturnType<Histogram['get']>>['values'] = [];
    this.#read((labels, { counts, sumMs }) => {
      let count = 0;
      for (const [index, added] of counts.entries()) {
        count += added;
        const bound = LATENCY_BOUNDS_MS[index];
        values.push({
          metricName: `${name}_bucket`,
          labels: { ...labels, le: bound === undefined ? '+Inf' : bound / 1000 },
          value: count,
        });
      }
      values.push({ metricName: `${name}_sum`, labels, value: sumMs / 1000 });
      values.push({ metricName: `${name}_count`, labels, value: count });
    });
    return { name, help, type: HISTOGRAM, values, aggregator: 'sum', collect: () => undefined };
  }

  /** The values that the registry exports. */
  getForPromString(): ReturnType<Histogram['get']> {
    return this.get();
  }
}
