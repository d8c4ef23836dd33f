import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { GatewayEvent } from '../../shared/status.ts';

/** A request as it arrived. */
interface ReceivedRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly event: GatewayEvent;
}

type Answer = (response: ServerResponse, request: ReceivedRequest) => void;

/** An HTTP server that records the requests posted to it. */
export class WebhookReceiver implements AsyncDisposable {
  readonly requests: ReceivedRequest[] = [];
  /** Number of open connections. */
  connections = 0;
  /** Returns the status of further responses. */
  answer: Answer;
  readonly #server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const { url = '', headers } = request;
      const received = { path: url, headers, body, event: JSON.parse(body) as GatewayEvent };
      this.requests.push(received);
      this.answer(response, received);
    });
  });

  private constructor(answer: Answer) {
    this.answer = answer;
    this.#server.on('connection', (socket) => {
      this.connections += 1;
      socket.once('close', () => (this.connections -= 1));
    });
  }

  /** Listens on any free port, and answers 204 by default. */
  static async start(answer: Answer = (response) => response.writeHead(204).end()): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver(answer);
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`;
  }

  /** Reasons of the events in the order of their arrival, including failed attempts. */
  get reasons(): string[] {
    return this.requests.map(({ event }) => event.reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Answers with these statuses one after another, and then with 204. */
export function statuses(...answers: readonly number[]): Answer {
  const left = [...answers];
  return (response) => response.writeHead(left.shift() ?? 204).end();
}
