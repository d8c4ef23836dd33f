import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { GatewayEvent, StreamStatus } from '../../shared/status.ts';

/** How the gateway answers. `gone`: nobody listens; `token`: it asks for one, or for another. */
export type Answer = { readonly kind: 'ok'; readonly streams: readonly StreamStatus[] } | { readonly kind: 'token' } | { readonly kind: 'gone' };

const RETRY_MS = 1500;

/** The gateway's HTTP API as this page uses it, under the address that the page came from. */
export class Api {
  token: string | null;

  constructor(token: string | null) {
    this.token = token;
  }

  async streams(): Promise<Answer> {
    try {
      const response = await this.#fetch('api/streams');
      if (response.status === 401) return { kind: 'token' };
      return response.ok ? { kind: 'ok', streams: (await response.json()) as StreamStatus[] } : { kind: 'gone' };
    } catch {
      // fetch fails when nobody listens: said on the page, and tried again.
      return { kind: 'gone' };
    }
  }

  /** @returns null when it is done, else why not. */
  async sendAway(stream: string, client: string): Promise<string | null> {
    try {
      const response = await this.#fetch(`api/streams/${encodeURIComponent(stream)}/clients/${encodeURIComponent(client)}`, { method: 'DELETE' });
      return response.ok ? null : ((await response.json()) as { message: string }).message;
    } catch {
      return 'the gateway does not answer';
    }
  }

  /** Follows what happens, for ever: over restarts of the gateway, and not while it asks for a token. */
  async follow(heard: (event: GatewayEvent) => void): Promise<never> {
    for (let lastId = ''; ; ) {
      try {
        const response = await this.#fetch('api/events', { headers: lastId === '' ? {} : { 'last-event-id': lastId } });
        if (response.ok && response.body !== null) {
          const reader = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream()).getReader();
          for (let next = await reader.read(); !next.done; next = await reader.read()) {
            lastId = next.value.id ?? lastId;
            heard(JSON.parse(next.value.data) as GatewayEvent);
          }
        }
      } catch {
        // As above.
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  #fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.token !== null) headers.set('authorization', `Bearer ${this.token}`);
    return fetch(path, { ...init, headers });
  }
}
