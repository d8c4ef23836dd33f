import { type ClientRequest, type IncomingMessage, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** A request whose body the test writes in chunks. */
export class RunningRequest implements AsyncDisposable {
  /** Rejects if the connection ends without a response. */
  readonly answer: Promise<Answer>;
  /** Settles when the connection has ended. */
  readonly closed: Promise<void>;
  readonly #request: ClientRequest;

  constructor(url: string, headers: Record<string, string>, method = 'POST') {
    this.#request = request(url, { method, headers, agent: false });
    this.#request.on('error', () => undefined);
    this.closed = new Promise((resolve) => this.#request.once('close', resolve));
    this.answer = new Promise((resolve, reject) => {
      this.#request.on('response', (response: IncomingMessage) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown }));
        response.on('error', reject);
      });
      this.#request.on('close', () => reject(new Error('the connection has ended without a response')));
    });
    // Prevents an unhandled rejection if the test does not await it.
    this.answer.catch(() => undefined);
    this.#request.flushHeaders();
  }

  /** Resolves when the kernel has accepted it. Does not copy a single piece of bytes, because it may be large. */
  write(...pieces: (string | Uint8Array)[]): Promise<void> {
    const [first, ...others] = pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece));
    const all = first !== undefined && others.length === 0 ? first : Buffer.concat([first ?? Buffer.of(), ...others]);
    return new Promise((resolve) => this.#request.write(all, () => resolve()));
  }

  end(): Promise<Answer> {
    this.#request.end();
    return this.answer;
  }

  /** Ends the connection like a killed process. */
  async cut(): Promise<void> {
    this.#request.destroy();
    await this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cut();
  }
}
