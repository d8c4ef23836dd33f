import { execFile } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Compose } from '../helpers/compose.ts';
import { exampleLines, ROOT } from '../helpers/example-lines.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { peers } from '../helpers/peers.ts';

const run = promisify(execFile);
const check = async (...files: string[]): Promise<readonly string[]> => {
  const { stdout } = await run(peers().python, [join(ROOT, 'test/peers/check_manifests.py'), ...files], { cwd: ROOT });
  return JSON.parse(stdout) as string[];
};

/** Reads a page through Caddy, which has a self-signed certificate. */
function get(url: string, token?: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    request(url, { rejectUnauthorized: false, headers }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode!, body }), reject);
    })
      .on('error', reject)
      .end();
  });
}

/** Sends a request as a page of the gateway does, with its cookies. @param body null: reads the page. */
async function browse(url: string, cookies: Map<string, string>, body: object | null): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const outgoing = request(url, {
      rejectUnauthorized: false,
      agent: false,
      method: body === null ? 'GET' : 'POST',
      headers: { origin: new URL(url).origin, cookie, 'content-type': 'application/json' },
    });
    outgoing.on('error', reject).on('response', (response) => {
      for (const header of response.headers['set-cookie'] ?? []) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(header) ?? [];
        cookies.set(name, value);
      }
      text(response).then((answer) => resolve(JSON.parse(answer)), reject);
    });
    outgoing.end(body === null ? undefined : JSON.stringify(body));
  });
}

const getJson = async <T>(url: string): Promise<T> => JSON.parse((await get(url, Compose.token)).body) as T;

describe('deploy/', () => {
  it('has Compose files and Kubernetes manifests without unknown fields', async () => {
    expect(await check('deploy/compose/compose.yaml')).toEqual(
      expect.arrayContaining(['service gateway', 'service caddy', 'service prometheus', 'service grafana']),
    );
    expect(await check('deploy/compose/cluster.yaml')).toHaveLength(7);
    expect(await check('deploy/kubernetes/gateway.yaml', 'deploy/kubernetes/nats.yaml')).toEqual(
      expect.arrayContaining(['Deployment gearway', 'Ingress gearway', 'StatefulSet nats', 'Service nats-servers']),
    );
  });

  it('has an .env.example with every variable of the Compose files', async () => {
    const read = (name: string): Promise<string> => readFile(join(ROOT, 'deploy/compose', name), 'utf8');
    const files = `${await read('compose.yaml')}${await read('cluster.yaml')}`;
    const used = [...files.matchAll(/\$\{(\w+)|environment: (GEARWAY_\w+)/g)].map(([, a, b]) => a ?? b!);
    const declared = [...(await read('.env.example')).matchAll(/^(\w+)=/gm)].map(([, name]) => name!);
    expect([...new Set(used)].sort()).toEqual(declared.sort());
  });
});

describe('docs/deploy.md', () => {
  it('gives Home Assistant a camera and a picture with basic authentication', async () => {
    const page = await readFile(join(ROOT, 'docs/deploy.md'), 'utf8');
    const [mjpeg, still] = [...page.matchAll(/`https:\/\/NAME(\/streams\/door\/\S+)`/g)].map(([, path]) => path!);
    await using gateway = await GatewayProcess.start(
      '--source',
      'door=test-pattern:?size=640x360&fps=15',
      '--token',
      'secret',
      '--view-token',
      'look',
    );
    const headers = { authorization: `Basic ${Buffer.from('anybody:look').toString('base64')}` };
    const url = await gateway.url;
    expect((await fetch(`${url}${still}`)).status).toBe(401);
    await expect.poll(async () => (await fetch(`${url}${still}`, { headers })).status).toBe(200);
    const stop = new AbortController();
    const camera = await fetch(`${url}${mjpeg}`, { headers, signal: stop.signal });
    expect(camera.headers.get('content-type')).toMatch(/^multipart\/x-mixed-replace/);
    const { value } = await camera.body!.getReader().read();
    expect(Buffer.from(value!).toString('latin1')).toContain('image/jpeg');
    stop.abort();
  });

  it('refers to existing files, and to commands that are installed or need Docker', async () => {
    for (const page of ['deploy.md', 'scale-out.md', 'operations.md'])
      for (const [path] of (await readFile(join(ROOT, 'docs', page), 'utf8')).matchAll(/\bdeploy\/[\w/.-]*\w/g))
        await access(join(ROOT, path));
    // An example of an unknown command.
    const commands = exampleLines('deploy.md').flatMap((line) => line.split(' && ').map((each) => each.split(' ')[0]!));
    expect([...new Set(commands)].sort()).toEqual([
      'cd',
      'chmod',
      'cp',
      'docker',
      'echo',
      'journalctl',
      'node',
      'openssl',
      'sudo',
      'systemd-analyze',
    ]);
    const [secret] = exampleLines('deploy.md').filter((line) => line.startsWith('openssl'));
    expect((await run('bash', ['-c', secret!])).stdout).toMatch(/^[0-9a-f]{32}\n$/);
  });
});

describe('deploy/compose/compose.yaml', { timeout: 60_000 }, () => {
  it('serves four streams over TLS, with the addresses of clients, and is scraped', async () => {
    await using compose = await Compose.open('compose.yaml');
    await compose.start('gateway');
    await compose.start('caddy', 'prometheus');

    expect((await get(`${compose.url}api/streams`)).status).toBe(401);
    const streams = await getJson<{ name: string }[]>(`${compose.url}api/streams`);
    expect(streams.map(({ name }) => name)).toEqual(['door', 'yard', 'hall', 'robot']);
    expect((await get(`${compose.url}viewer?stream=door`)).status).toBe(200);
    // The gateway logs failed log-ins with the address reported by Caddy, not with that of Caddy's container.
    expect((await get(`${compose.url}api/streams`, 'wrong')).status).toBe(401);
    const log = compose.child('gateway').stderr;
    const failure = await log.waitFor('the failed log-in', (line) => (line.includes('token') ? line : undefined));
    expect(failure).toMatch(/127\.0\.0\.1|::1/);
    expect(log.all.filter((line) => / warning: (?!stream |.*failed log-in)/.test(line))).toEqual([]);

    const query = async (expression: string): Promise<unknown[]> => {
      const url = `http://${compose.address('prometheus')}:9090/api/v1/query?${new URLSearchParams({ query: expression }).toString()}`;
      const answer = (await (await fetch(url)).json()) as { data: { result: { value: [number, string] }[] } };
      return answer.data.result.map(({ value }) => value[1]);
    };
    await expect.poll(() => query('up{job="gearway"}'), { timeout: 30_000 }).toEqual(['1']);
    expect(await query('count(gearway_stream_frames_received_total)')).toEqual(['4']);
    const rules = (await (await fetch(`http://${compose.address('prometheus')}:9090/api/v1/rules`)).json()) as {
      data: { groups: { rules: unknown[] }[] };
    };
    expect(rules.data.groups[0]!.rules).toHaveLength(12);
    // The name of the gateway in Prometheus.
    const named = await fetch(`http://${compose.address('gateway')}:8080/healthz`, {
      headers: { host: 'gateway:8080' },
    });
    expect(named.status).toBe(200);
  });
});

describe('deploy/compose/cluster.yaml', { timeout: 60_000 }, () => {
  it('serves all streams at each gateway, and continues when one is lost', async () => {
    await using compose = await Compose.open('cluster.yaml');
    const gateways = compose.named('gearway');
    expect(gateways).toHaveLength(3);
    await compose.start(...compose.named('nats'));
    await compose.start(...gateways);
    await compose.start('caddy');

    type Stream = { name: string; state: string; gateway?: string };
    const states = async (): Promise<string[]> =>
      (await getJson<Stream[]>(`${compose.url}api/streams`)).map(({ name, state }) => `${name} ${state}`);
    await expect.poll(states, { timeout: 30_000 }).toEqual(['door live', 'yard live']);
    type Cluster = { members: unknown[] };
    expect((await getJson<Cluster>(`${compose.url}api/cluster`)).members).toHaveLength(3);

    // The requests of a browser go to the gateway at which it has logged in.
    const cookies = new Map<string, string>();
    for (let count = 0; count < 12; count += 1) {
      const user = await browse(`${compose.url}api/session`, cookies, count === 0 ? { token: Compose.token } : null);
      expect(user, `request ${count + 1}`).toMatchObject({ user: { principal: 'token' } });
    }

    // The owner of a stream without viewers. Another gateway runs its source afterwards.
    const ownsDoor = async (name: string): Promise<boolean> => {
      const headers = { authorization: `Bearer ${Compose.token}` };
      const answer = await fetch(`http://${compose.address(name)}:8080/api/streams`, { headers });
      const streams = (await answer.json()) as { name: string; gateway: { isHere: boolean } }[];
      return streams.some(({ name: stream, gateway }) => stream === 'door' && gateway.isHere);
    };
    const owns = await Promise.all(gateways.map(ownsDoor));
    expect(owns.filter(Boolean)).toHaveLength(1);
    const victim = compose.child(gateways[owns.indexOf(true)]!);
    victim.signal('SIGKILL');
    await victim.exited;
    await expect.poll(async () => (await getJson<Cluster>(`${compose.url}api/cluster`)).members.length).toBe(2);
    await expect.poll(states).toEqual(['door live', 'yard live']);
  });
});
