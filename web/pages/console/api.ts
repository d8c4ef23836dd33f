import { EventSourceParserStream } from 'eventsource-parser/stream';
import type {
  CreatedShareLink,
  GatewayEvent,
  GatewayStatus,
  RightsStatus,
  ShareLinkStatus,
  StreamChange,
  StreamSettingsStatus,
  StreamStatus,
} from '../../../shared/status.ts';
import { type Answer, authorization, fetchRights, fetchStreams } from '../shared/streams.ts';

const RETRY_MS = 1500;

/** Response to a request, or the reason why it was refused. */
export type Answered<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

/** Client of the HTTP API of the gateway that serves this page. */
export class Api {
  #token: string | null;
  #revision = 0;

  constructor(token: string | null) {
    this.#token = token;
  }

  /** Token that is sent with each request; null if the browser sends the cookie of the session, if there is one. */
  get token(): string | null {
    return this.#token;
  }

  /**
   * Number of log-ins and log-outs in this page. Responses to requests from before the last one are for another user.
   */
  get revision(): number {
    return this.#revision;
  }

  /** Sets the token for further requests; with null, the session's cookie is sent. */
  use(token: string | null): void {
    this.#token = token;
    this.#revision += 1;
  }

  streams(): Promise<Answer<readonly StreamStatus[]>> {
    return fetchStreams(this.token);
  }

  /** The rights that the token grants. */
  rights(): Promise<Answer<RightsStatus>> {
    return fetchRights(this.token);
  }

  /** Addresses of the gateway; null if it does not answer. */
  async gateway(): Promise<GatewayStatus | null> {
    try {
      const response = await this.#fetch('api/gateway');
      return response.ok ? ((await response.json()) as GatewayStatus) : null;
    } catch {
      return null; // There was no response. The page reports this, and retries.
    }
  }

  /** The options of a stream. */
  settings(stream: string): Promise<Answered<StreamSettingsStatus>> {
    return this.#ask(`${streamPath(stream)}/settings`);
  }

  /** Creates (`PUT`, only if there is no stream of this name), changes (`PATCH`) or removes (`DELETE`) a stream. */
  changeStream(
    method: 'PUT' | 'PATCH' | 'DELETE',
    stream: string,
    options: object | undefined,
    isPersisted: boolean,
  ): Promise<Answered<StreamChange>> {
    // A new stream must not replace a source of this name, because the source may feed streams of other names.
    const isNew: Record<string, string> = method === 'PUT' ? { 'if-none-match': '*' } : {};
    const headers = { 'content-type': 'application/json', ...isNew };
    const body = options === undefined ? {} : { headers, body: JSON.stringify(options) };
    return this.#ask(`${streamPath(stream)}${isPersisted ? '?persist=true' : ''}`, { method, ...body });
  }

  /** Creates a share link that is valid for this number of hours. */
  share(stream: string, hours: number): Promise<Answered<CreatedShareLink>> {
    const headers = { 'content-type': 'application/json' };
    return this.#ask(sharesPath(stream), { method: 'POST', headers, body: JSON.stringify({ hours }) });
  }

  /** The share links of a stream. */
  shares(stream: string): Promise<Answered<readonly ShareLinkStatus[]>> {
    return this.#ask(sharesPath(stream));
  }

  /** Revokes a share link. @returns null, or the reason for a refusal. */
  revokeShare(stream: string, id: string): Promise<string | null> {
    return this.#change(`${sharesPath(stream)}/${encodeURIComponent(id)}`, { method: 'DELETE' });
  }

  /** Adds a native client. @returns null, or the reason for a refusal. */
  addClient(stream: string, address: string, isPersisted: boolean): Promise<string | null> {
    const headers = { 'content-type': 'application/json' };
    return this.#change(`${clientsPath(stream)}${isPersisted ? '?persist=true' : ''}`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ address }),
    });
  }

  /** Disconnects a web client, or removes a native one. @returns null, or the reason for a refusal. */
  disconnect(stream: string, client: string): Promise<string | null> {
    return this.#change(clientsPath(stream, client), { method: 'DELETE' });
  }

  /** Takes control back from the viewer that has it. @returns null, or the reason for a refusal. */
  releaseControl(stream: string): Promise<string | null> {
    return this.#change(`${streamPath(stream)}/control`, { method: 'DELETE' });
  }

  /**
   * The return data of a client, as an image.
   *
   * @param width width in pixels; null for the original size.
   * @returns null if the data is not an image; undefined if that is currently unknown.
   */
  async returnImage(stream: string, client: string, width: number | null): Promise<Blob | null | undefined> {
    try {
      const query = width === null ? '' : `?width=${width}`;
      const response = await this.#fetch(`${clientsPath(stream, client)}/return${query}`);
      if (response.status === 409 || response.status === 500) return null;
      if (!response.ok) return undefined;
      const blob = await response.blob();
      return blob.type.startsWith('image/') ? blob : null;
    } catch {
      return undefined; // There was no response. The page reports this, and retries.
    }
  }

  /** The latest picture of a stream, and its frame's number. @returns null if there is none, or the gateway is busy. */
  async snapshot(stream: string, width: number): Promise<{ readonly image: Blob; readonly sequence: number } | null> {
    try {
      const response = await this.#fetch(`streams/${encodeURIComponent(stream)}/snapshot.jpg?width=${width}`);
      if (!response.ok) return null;
      return { image: await response.blob(), sequence: Number(response.headers.get('gearway-sequence')) };
    } catch {
      return null; // There was no response. The page reports this, and retries.
    }
  }

  /** Follows the gateway's events forever, even across its restarts. Waits while the gateway requires another token. */
  async follow(onEvent: (event: GatewayEvent) => void): Promise<never> {
    let refused: string | null = null;
    for (let lastId = ''; ;) {
      const sent = this.token;
      if (sent !== null && sent === refused) {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        continue;
      }
      try {
        const response = await this.#fetch('api/events', { headers: lastId === '' ? {} : { 'last-event-id': lastId } });
        // A refused token is not sent again: each attempt counts as a failed log-in.
        if (response.status === 401) refused = sent;
        if (response.ok && response.body !== null) {
          const text = response.body.pipeThrough(new TextDecoderStream());
          const reader = text.pipeThrough(new EventSourceParserStream()).getReader();
          for (let next = await reader.read(); !next.done; next = await reader.read()) {
            lastId = next.value.id ?? lastId;
            onEvent(JSON.parse(next.value.data) as GatewayEvent);
          }
        }
      } catch {
        // There was no response, as above.
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  async #change(path: string, init: RequestInit): Promise<string | null> {
    const answer = await this.#ask(path, init);
    return answer.ok ? null : answer.reason;
  }

  async #ask<T>(path: string, init: RequestInit = {}): Promise<Answered<T>> {
    try {
      const response = await this.#fetch(path, init);
      const body: unknown = await response.json();
      return response.ok
        ? { ok: true, value: body as T }
        : { ok: false, reason: (body as { message: string }).message };
    } catch {
      return { ok: false, reason: 'the gateway does not answer' };
    }
  }

  #fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    for (const [name, value] of Object.entries(authorization(this.token))) headers.set(name, value);
    // Otherwise, the browser would ask for a password after the end of the session.
    headers.set('x-requested-with', 'fetch');
    return fetch(path, { ...init, headers });
  }
}

function streamPath(stream: string): string {
  return `api/streams/${encodeURIComponent(stream)}`;
}

function sharesPath(stream: string): string {
  return `${streamPath(stream)}/shares`;
}

function clientsPath(stream: string, client?: string): string {
  const clients = `${streamPath(stream)}/clients`;
  return client === undefined ? clients : `${clients}/${encodeURIComponent(client)}`;
}
