import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { GatewayEvent, StreamStatus } from '../../../shared/status.ts';
import { type Answer, authorization, fetchStreams } from '../shared/streams.ts';

const RETRY_MS = 1500;

/** The gateway's HTTP API as this page uses it, under the address that the page came from. */
export class Api {
  token: string | null;

  constructor(token: string | null) {
    this.token = token;
  }

  streams(): Promise<Answer<readonly StreamStatus[]>> {
    return fetchStreams(this.token);
  }

  /** The address of the gateway behind its proxy; null where none is set, or not known now. */
  async publicUrl(): Promise<string | null> {
    try {
      const response = await this.#fetch('api/gateway');
      return response.ok ? ((await response.json()) as { publicUrl: string | null }).publicUrl : null;
    } catch {
      return null; // nobody answers: the page says so, and asks again
    }
  }

  /** Lists a native client. @returns null when it is done, else why not. */
  addClient(stream: string, address: string): Promise<string | null> {
    return this.#change(clientsPath(stream), { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ address }) });
  }

  /** @returns null when it is done, else why not. */
  sendAway(stream: string, client: string): Promise<string | null> {
    return this.#change(clientsPath(stream, client), { method: 'DELETE' });
  }

  /**
   * What a client returns, as a picture.
   *
   * @param width how wide it is shown; null for as large as it is.
   * @returns null when it is none; undefined when that can't be told now.
   */
  async returnedPicture(stream: string, client: string, width: number | null): Promise<Blob | null | undefined> {
    try {
      const response = await this.#fetch(`${clientsPath(stream, client)}/return${width === null ? '' : `?width=${width}`}`);
      if (response.status === 409 || response.status === 500) return null;
      if (!response.ok) return undefined;
      const blob = await response.blob();
      return blob.type.startsWith('image/') ? blob : null;
    } catch {
      return undefined; // nobody answers: the page says so, and asks again
    }
  }

  /** Follows what happens, for ever: over restarts of the gateway, and not while it asks for a token. */
  async follow(heard: (event: GatewayEvent) => void): Promise<never> {
    let refused: string | null = null;
    for (let lastId = ''; ; ) {
      const sent = this.token;
      if (sent !== null && sent === refused) {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        continue;
      }
      try {
        const response = await this.#fetch('api/events', { headers: lastId === '' ? {} : { 'last-event-id': lastId } });
        // A refused token is not sent again: each time would count as a failed log-in.
        if (response.status === 401) refused = sent;
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

  async #change(path: string, init: RequestInit): Promise<string | null> {
    try {
      const response = await this.#fetch(path, init);
      return response.ok ? null : ((await response.json()) as { message: string }).message;
    } catch {
      return 'the gateway does not answer';
    }
  }

  #fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    for (const [name, value] of Object.entries(authorization(this.token))) headers.set(name, value);
    return fetch(path, { ...init, headers });
  }
}

function clientsPath(stream: string, client?: string): string {
  return `api/streams/${encodeURIComponent(stream)}/clients${client === undefined ? '' : `/${encodeURIComponent(client)}`}`;
}
