import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.ts';
import { freePorts } from './free-port.ts';
import { peers } from './peers.ts';

/** One result of a query. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [time: number, value: string];
}

/** A real Prometheus that scrapes a gateway every second, in a temporary folder. */
export class Prometheus implements AsyncDisposable {
  readonly #folder: string;
  readonly #process: Child;
  readonly #url: string;

  private constructor(folder: string, process: Child, url: string) {
    this.#folder = folder;
    this.#process = process;
    this.#url = url;
  }

  /** @param target `HOST:PORT` of the gateway. @param token token with the right to view; null for none. */
  static async start(target: string, token: string | null = null): Promise<Prometheus> {
    const folder = await mkdtemp(join(tmpdir(), 'gearway-prometheus-'));
    const [port] = await freePorts(1);
    const authorization = token === null ? {} : { authorization: { credentials: token } };
    const config = {
      global: { scrape_interval: '1s' },
      scrape_configs: [{ job_name: 'gearway', ...authorization, static_configs: [{ targets: [target] }] }],
    };
    // JSON is YAML.
    await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
    const process = new Child(peers().prometheus, [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ]);
    const prometheus = new Prometheus(folder, process, `http://127.0.0.1:${port}`);
    await process.stderr.waitFor('Prometheus to be ready', (line) =>
      line.includes('Server is ready') ? line : undefined,
    );
    return prometheus;
  }

  async query(expression: string): Promise<readonly Sample[]> {
    const response = await fetch(`${this.#url}/api/v1/query?${new URLSearchParams({ query: expression }).toString()}`);
    const answer = (await response.json()) as { status: string; error?: string; data: { result: Sample[] } };
    if (answer.status !== 'success') throw new Error(`${expression}: ${answer.error}`);
    return answer.data.result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Runs promtool. @returns its exit code, and everything that it printed. */
export function promtool(
  args: readonly string[],
  { input = '', cwd }: { readonly input?: string; readonly cwd?: string } = {},
): { readonly code: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(peers().promtool, args, {
    input,
    encoding: 'utf8',
    ...(cwd === undefined ? {} : { cwd }),
  });
  return { code: status, output: `${stdout}${stderr}` };
}
