import { Registry } from 'prom-client';
import {
  CLIENT_KINDS,
  CLIENT_STATES,
  type ClientKind,
  type ClusterStatus,
  STREAM_STATES,
  type StreamStatus,
  type WebhookStatus,
} from '../../shared/status.ts';
import type { PortCounters } from '../hub/client-totals.ts';
import { sourceDown } from '../hub/readiness.ts';
import type { LatenciesByKind, Stream } from '../hub/stream.ts';
import { addCounter, addGauge, addHistogram } from './families.ts';
import { processMetrics } from './process-metrics.ts';

/** A stream whose counters are exported. */
interface MeteredStream {
  readonly stream: Stream;
  status(): StreamStatus;
}

/** The state of one stream at a scrape. */
interface Reading {
  readonly stream: Stream;
  readonly status: StreamStatus;
  readonly totals: readonly PortCounters[];
}

/** Clients of one kind and state. */
const KIND_AND_STATE = ['stream', 'kind', 'state'] as const;
/** Clients of one kind that have had one port. */
const KIND_AND_PORT = ['stream', 'kind', 'port'] as const;

/**
 * The metrics of a gateway and of its process. They are copied from the hub's counters at each scrape, so that nothing
 * is counted twice.
 */
export class GatewayMetrics {
  readonly #registry = new Registry();
  readonly #streams: ReadonlyMap<string, MeteredStream>;
  #readings: readonly Reading[] = [];

  /**
   * @param streams the gateway's streams, which may change.
   * @param cluster null without a cluster.
   */
  constructor(
    streams: ReadonlyMap<string, MeteredStream>,
    webhooks: () => readonly WebhookStatus[] = () => [],
    cluster: () => ClusterStatus | null = () => null,
  ) {
    this.#streams = streams;
    if (cluster() !== null) this.#addCluster(cluster);
    this.#addStreams();
    this.#addClients();
    this.#addWebhooks(webhooks);
    this.#addLatencies(
      'gearway_round_trip_seconds',
      'Time from sending a frame to its acknowledgement by a viewer or its answer by a native client.',
      (stream) => stream.roundTrips,
      CLIENT_KINDS,
    );
    this.#addLatencies(
      'gearway_latency_seconds',
      'Time from the arrival of a frame until a viewer has drawn it, smoothed and reported by the viewer.',
      (stream) => stream.latencies,
      ['web', 'spectator'],
    );
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics in Prometheus' text format, version 0.0.4. */
  async text(): Promise<string> {
    this.#readings = [...this.#streams.values()].map((metered) => {
      const status = metered.status();
      return { stream: metered.stream, status, totals: metered.stream.clientTotals(status.clients) };
    });
    // The registry reads all values before it returns its promise.
    return `${await this.#registry.metrics()}\n${await processMetrics().metrics()}`;
  }

  #addCluster(cluster: () => ClusterStatus | null): void {
    addGauge(
      this.#registry,
      {
        name: 'gearway_cluster_connected',
        help: 'Whether the directory of the cluster can be written, that is, a majority of its NATS servers is reached.',
        labels: [],
      },
      (set) => set({}, cluster()?.isConnected === true ? 1 : 0),
    );
    addGauge(
      this.#registry,
      { name: 'gearway_cluster_gateways', help: 'Gateways of the cluster, including this one.', labels: [] },
      (set) => set({}, cluster()?.members.length ?? 0),
    );
  }

  #addStreams(): void {
    const counters: readonly (readonly [name: string, help: string, value: (status: StreamStatus) => number])[] = [
      [
        'gearway_stream_frames_received_total',
        'Frames that arrived from the source.',
        ({ counters: { received } }) => received,
      ],
      [
        'gearway_stream_bytes_received_total',
        'Bytes of the pictures that arrived from the source.',
        ({ counters: { receivedBytes } }) => receivedBytes,
      ],
      [
        'gearway_stream_frames_rejected_total',
        'Malformed frames, which were not forwarded.',
        ({ counters: { rejected } }) => rejected,
      ],
      [
        'gearway_stream_returns_rejected_total',
        'Refused return data and malformed messages of viewers.',
        ({ counters: { returnsRejected } }) => returnsRejected,
      ],
      [
        'gearway_stream_returns_dropped_total',
        'Once-only return data that was discarded because it was not read in time.',
        ({ counters: { returnsDropped } }) => returnsDropped,
      ],
      [
        'gearway_source_restarts_total',
        'Number of times the source was reopened after a failure.',
        ({ source: { restarts } }) => restarts,
      ],
    ];
    for (const [name, help, value] of counters) {
      addCounter(this.#registry, { name, help, labels: ['stream'] }, (set) => {
        for (const {
          stream: { name: stream },
          status,
        } of this.#readings)
          set({ stream }, value(status));
      });
    }
    addGauge(
      this.#registry,
      { name: 'gearway_stream_state', help: 'Whether the stream is in this state.', labels: ['stream', 'state'] },
      (set) => {
        for (const {
          stream: { name: stream },
          status,
        } of this.#readings)
          for (const state of STREAM_STATES) set({ stream, state }, status.state === state ? 1 : 0);
      },
    );
    addGauge(
      this.#registry,
      {
        name: 'gearway_stream_last_frame_timestamp_seconds',
        help: 'Arrival of the latest frame, Unix time.',
        labels: ['stream'],
      },
      (set) => {
        for (const { stream } of this.#readings)
          if (stream.newest !== null) set({ stream: stream.name }, stream.newest.receivedAtUs / 1e6);
      },
    );
    addGauge(
      this.#registry,
      { name: 'gearway_source_up', help: 'Whether the source is not down, as in /readyz.', labels: ['stream', 'kind'] },
      (set) => {
        for (const {
          stream: { name: stream },
          status,
        } of this.#readings)
          set({ stream, kind: status.source.kind }, sourceDown(status) === null ? 1 : 0);
      },
    );
    addGauge(
      this.#registry,
      { name: 'gearway_ports', help: 'Virtual ports by state.', labels: ['stream', 'state'] },
      (set) => {
        for (const {
          stream: { name: stream },
          status,
        } of this.#readings) {
          set({ stream, state: 'free' }, status.ports.free);
          set({ stream, state: 'taken' }, status.ports.taken);
        }
      },
    );
  }

  #addClients(): void {
    addGauge(
      this.#registry,
      { name: 'gearway_clients', help: 'Clients by kind and state.', labels: KIND_AND_STATE },
      (set) => {
        for (const {
          stream: { name: stream },
          status,
        } of this.#readings) {
          for (const kind of CLIENT_KINDS) {
            for (const state of CLIENT_STATES)
              set(
                { stream, kind, state },
                status.clients.filter((client) => client.kind === kind && client.state === state).length,
              );
          }
        }
      },
    );
    const counters: readonly (readonly [name: string, help: string, value: (counters: PortCounters) => number])[] = [
      ['gearway_client_connections_total', 'Clients that have connected or were listed.', ({ clients }) => clients],
      ['gearway_client_frames_delivered_total', 'Frames sent to clients.', ({ delivered }) => delivered],
      [
        'gearway_client_bytes_delivered_total',
        'Bytes of the pictures sent to clients, without repeats.',
        ({ deliveredBytes }) => deliveredBytes,
      ],
      [
        'gearway_client_frames_repeated_total',
        'Frames sent again while there was no newer one.',
        ({ repeated }) => repeated,
      ],
      ['gearway_client_returns_rejected_total', 'Refused values that clients returned.', ({ rejected }) => rejected],
    ];
    for (const [name, help, value] of counters) {
      addCounter(this.#registry, { name, help, labels: KIND_AND_PORT }, (set) => {
        for (const { stream, totals } of this.#readings)
          for (const each of totals) set({ stream: stream.name, kind: each.kind, port: each.port }, value(each));
      });
    }
    const dropped = {
      name: 'gearway_client_frames_dropped_total',
      help: 'Frames that clients did not get: overtaken by a newer one, or undecodable for a native client.',
      labels: [...KIND_AND_PORT, 'cause'],
    };
    addCounter(this.#registry, dropped, (set) => {
      for (const {
        stream: { name: stream },
        totals,
      } of this.#readings) {
        for (const { kind, port, dropped: overtaken, withheld } of totals) {
          set({ stream, kind, port, cause: 'overtaken' }, overtaken);
          if (kind === 'native') set({ stream, kind, port, cause: 'undecodable' }, withheld);
        }
      }
    });
  }

  #addWebhooks(webhooks: () => readonly WebhookStatus[]): void {
    addCounter(
      this.#registry,
      {
        name: 'gearway_webhook_events_total',
        help: 'Events for webhooks by result: delivered, dropped because too many waited, or failed.',
        labels: ['webhook', 'result'],
      },
      (set) => {
        for (const { name: webhook, delivered, dropped, failed } of webhooks())
          for (const [result, value] of Object.entries({ delivered, dropped, failed })) set({ webhook, result }, value);
      },
    );
    addGauge(
      this.#registry,
      { name: 'gearway_webhook_events_waiting', help: 'Events that are waiting for a webhook.', labels: ['webhook'] },
      (set) => {
        for (const { name: webhook, waiting } of webhooks()) set({ webhook }, waiting);
      },
    );
  }

  #addLatencies(
    name: string,
    help: string,
    of: (stream: Stream) => LatenciesByKind,
    kinds: readonly ClientKind[],
  ): void {
    addHistogram(this.#registry, { name, help, labels: ['stream', 'kind'] }, (set) => {
      for (const { stream } of this.#readings)
        for (const kind of kinds) set({ stream: stream.name, kind }, of(stream)[kind]);
    });
  }
}
