import { createGateway, type Gateway, type GatewayOptions } from '../../../gateway/create-gateway.ts';
import type { StreamStatus } from '../../../shared/status.ts';

/** A gateway of a cluster, in this process. */
export class Here implements AsyncDisposable {
  readonly gateway: Gateway;
  readonly url: string;

  private constructor(gateway: Gateway, url: string) {
    this.gateway = gateway;
    this.url = url;
  }

  /** @param nats `nats://HOST:PORT`, or a list. */
  static start(nats: string, name: string, options: GatewayOptions): Promise<Here> {
    return Here.at(`${nats}?gateway=${name}`, options);
  }

  /** @param cluster the complete address of the cluster. */
  static async at(cluster: string, options: GatewayOptions): Promise<Here> {
    const gateway = await createGateway({ port: 0, cluster, ...options });
    const { url } = await gateway.listen();
    return new Here(gateway, url.replace(/\/$/, ''));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.gateway.close();
  }
}

/** The first matching value, read 50 times per second. */
export async function until<T>(
  what: string,
  read: () => Promise<T> | T,
  fits: (value: T) => boolean,
  timeoutMs = 20_000,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (fits(value)) return value;
    if (performance.now() > deadlineMs) throw new Error(`timeout while waiting for ${what}: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function get<T>(url: string): Promise<T> {
  return (await (await fetch(url)).json()) as T;
}

/** Waits until the gateway at `url` has learned which gateway owns a stream. */
export function served(url: string, stream = 'door'): Promise<readonly StreamStatus[]> {
  return until(
    `stream ${stream}`,
    () => get<StreamStatus[]>(`${url}/api/streams`),
    (all) => all.some(({ name, gateway }) => name === stream && gateway !== null),
  );
}
