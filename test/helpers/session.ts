import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { SessionStatus } from '../../shared/status.ts';

export interface PageAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The `Set-Cookie` header; empty if there is none. */
  readonly setCookie: string;
  readonly body: string;
}

/** Sends a request as a browser would, with any headers. */
export async function ask(
  url: string,
  headers: Record<string, string> = {},
  { method = 'GET', body, isEndless = false }: { method?: string; body?: unknown; isEndless?: boolean } = {},
): Promise<PageAnswer> {
  const json = body === undefined ? {} : { 'content-type': 'application/json' };
  const outgoing = request(url, { method, headers: { ...json, ...headers }, agent: false });
  outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  const answer = {
    status: response.statusCode ?? 0,
    headers: response.headers as Record<string, string | undefined>,
    setCookie: (response.headers['set-cookie'] ?? []).join('\n'),
  };
  if (!isEndless) return { ...answer, body: await text(response) };
  outgoing.on('error', () => undefined);
  response.on('error', () => undefined);
  outgoing.destroy();
  return { ...answer, body: '' };
}

/** Headers of requests of the gateway's own pages, after a log-in. */
export interface PageHeaders extends Record<string, string> {
  readonly cookie: string;
  readonly origin: string;
}

/** Logs in as the gateway's own page does. @param url `http://127.0.0.1:PORT`. */
export async function logIn(
  url: string,
  credential: object,
  headers: Record<string, string> = {},
): Promise<{ readonly page: PageHeaders; readonly answer: PageAnswer; readonly status: SessionStatus }> {
  const answer = await ask(`${url}/api/session`, { origin: url, ...headers }, { method: 'POST', body: credential });
  if (answer.status !== 200) throw new Error(`the log-in was answered with ${answer.status}: ${answer.body}`);
  const [cookie = ''] = answer.setCookie.split(';');
  return {
    page: { origin: url, cookie },
    answer,
    status: JSON.parse(answer.body) as SessionStatus,
  };
}
