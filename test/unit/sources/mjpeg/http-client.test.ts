import { describe, expect, it } from 'vitest';
import type { HttpAnswer } from '../../../../gateway/sources/mjpeg/http-answer.ts';
import { parseHttpAddress } from '../../../../gateway/sources/mjpeg/http-address.ts';
import { HttpClient } from '../../../../gateway/sources/mjpeg/http-client.ts';
import { freePorts } from '../../../helpers/free-port.ts';
import { MjpegCamera } from '../../../helpers/media.ts';
import { type RawRequest, RawServer } from '../../../helpers/raw-server.ts';

const failed = (message: RegExp): unknown =>
  expect.objectContaining({ code: 'source-failed', message: expect.stringMatching(message) as string });

const ask = (
  url: string,
  { certificate = 'verified', signal = new AbortController().signal, responseTimeoutMs = 30_000 } = {},
): Promise<HttpAnswer> =>
  new HttpClient(parseHttpAddress(url), {
    acceptsAnyCertificate: certificate === 'any',
    responseTimeoutMs,
  }).get({}, signal);

async function bodyOf(answer: HttpAnswer): Promise<string> {
  let body = '';
  await answer.read(
    (piece) => {
      body += piece.toString('latin1');
      return false;
    },
    { silentMs: 5000 },
  );
  answer.close();
  return body;
}

/** A server that answers every request with these bytes in chunks, and ends. */
const answering = (...pieces: readonly string[]): Promise<RawServer> =>
  RawServer.start(({ socket }) => {
    void (async () => {
      for (const piece of pieces) {
        socket.write(piece, 'latin1');
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      socket.end();
    })();
  });

describe('HttpAnswer.read', () => {
  it('delivers everything, in order, if processing takes longer than receiving', async () => {
    const body = Buffer.alloc(3 << 20, 'abcdefghijk');
    await using server = await RawServer.start(({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.end(body);
    });
    const answer = await ask(server.url);
    const pieces: Buffer[] = [];
    await answer.read(
      (piece) => {
        pieces.push(Buffer.from(piece));
        const untilMs = performance.now() + 12;
        while (performance.now() < untilMs);
        return false;
      },
      { silentMs: 5000 },
    );
    answer.close();
    expect(Buffer.concat(pieces).equals(body)).toBe(true);
  });
});

describe('HttpClient: a server that sends one byte at a time', () => {
  it.each<[string, string]>([
    ['endless headers', 'HTTP/1.1 200 OK\r\nx: '],
    ['endless empty lines', '\r\n'],
  ])('fails in time with %s', async (_what, begin) => {
    await using server = await RawServer.start(({ socket }) => {
      socket.write(begin);
      const timer = setInterval(() => socket.write(begin === '\r\n' ? '\r\n' : 'x'), 10);
      socket.on('close', () => clearInterval(timer));
    });
    await expect(ask(server.url, { responseTimeoutMs: 200 })).rejects.toEqual(
      failed(/^the server sends .* too slowly/),
    );
  });

  it.each(['HTTP/1.1 200 OK\r\nx: '.padEnd(65_536, 'x'), '\r\n'.repeat(32_768)])(
    'fails early if it sends more than the maximum',
    async (bytes) => {
      await using server = await RawServer.start(({ socket }) => {
        const write = (): void => {
          while (!socket.destroyed && socket.write(bytes));
        };
        socket.on('drain', write);
        write();
      });
      await expect(ask(server.url)).rejects.toEqual(failed(/^the headers of the response have more than 65536 bytes/));
    },
  );

  it('has one time limit for all redirects', async () => {
    await using server = await RawServer.start(({ socket, index }) => {
      setTimeout(() => socket.end(`HTTP/1.1 302 x\r\nLocation: /${index}\r\n\r\n`), 80);
    });
    await expect(ask(server.url, { responseTimeoutMs: 200 })).rejects.toEqual(failed(/too slowly/));
    expect(server.requests.length).toBeLessThan(5);
  });
});

describe('HttpClient: answers', () => {
  it.each<[string, readonly string[], string, string]>([
    ['HTTP/1.1', ['HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\nbody'], 'a/b', 'body'],
    ['HTTP/1.0 and LF', ['HTTP/1.0 200\nContent-Type: a/b\n\nbody'], 'a/b', 'body'],
    ['SHOUTcast', ['ICY 200 OK\r\nicy-name: x\r\nContent-Type:a/b\r\n\r\nbody'], 'a/b', 'body'],
    [
      'header lines without names',
      ['HTTP/1.1 200 OK\r\n: nothing\r\nnothing\r\n\tContent-Type\r\nContent-Type: a/b\r\n\r\nbody'],
      'a/b',
      'body',
    ],
    [
      'a folded header',
      ['HTTP/1.1 200 OK\r\nContent-Type: a/b;\r\n  boundary=c\r\n\r\nbody'],
      'a/b; boundary=c',
      'body',
    ],
    [
      'other responses before',
      [
        'HTTP/1.1 100 Continue\r\n\r\n',
        'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\nbody',
      ],
      'a/b',
      'body',
    ],
    ['empty lines before', ['\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\nbody'], 'a/b', 'body'],
    ['pieces', 'HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\nbody'.split(''), 'a/b', 'body'],
    [
      'chunks',
      [
        'HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nbo\r\n',
        '2\r\ndy\r\n0\r\n\r\nrest',
      ],
      'a/b',
      'body',
    ],
    [
      'invalid chunks',
      ['HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\nbody\r\nmore'],
      'a/b',
      'body\r\nmore',
    ],
    [
      'a length that is too short',
      ['HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 1\r\n\r\nbo', 'dy'],
      'a/b',
      'body',
    ],
    ['an invalid length', ['HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: -1\r\n\r\nbody'], 'a/b', 'body'],
  ])('accepts %s', async (_name, pieces, type, body) => {
    await using server = await answering(...pieces);
    const answer = await ask(`${server.url}/a?b=c`);
    expect(answer.status).toBe(200);
    expect(answer.header('content-type')).toBe(type);
    expect(await bodyOf(answer)).toBe(body);
    expect(server.requests[0]).toMatchObject({ path: '/a?b=c' });
    expect(server.requests[0]!.headers.get('host')).toBe(`127.0.0.1:${server.port}`);
  });

  it.each<[string, string, RegExp]>([
    [
      'data that is not HTTP',
      'RTSP/1.0 200 OK\r\n\r\n',
      /does not respond with HTTP, but with "RTSP\/1\.0 200 OK" \(http:\/\/127\.0\.0\.1:\d+\)/,
    ],
    ['nothing', '', /closed the connection without a response/],
    ['half of the headers', 'HTTP/1.1 200 OK\r\nA: b', /closed the connection without a response/],
    ['endless headers', `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(20_000)}`, /more than 65536 bytes/],
    [
      'endless announcements of a response',
      'HTTP/1.1 100 Continue\r\n\r\n'.repeat(2000),
      /announces its response more than 8 times, and does not send it/,
    ],
    ['401', 'HTTP/1.1 401 Unauthorized\r\n\r\n', /wrong or missing user name and password.*401 Unauthorized/],
    ['403', 'HTTP/1.1 403 Forbidden\r\n\r\n', /refuses access/],
    ['404', 'HTTP/1.0 404 Not Found\r\n\r\n', /no stream at this path/],
    ['503', 'HTTP/1.1 503 Busy\r\n\r\n', /one client at a time.*503 Busy/],
  ])('reports the problem of %s', async (_name, text, sentence) => {
    await using server = await answering(text);
    await expect(ask(server.url)).rejects.toEqual(failed(sentence));
  });

  it('reports the reason for a failed connection', async () => {
    const [port] = await freePorts(1);
    await expect(ask(`http://user:s3cret@127.0.0.1:${port}/`)).rejects.toEqual(
      failed(new RegExp(`^nothing is listening at this address \\(http://127\\.0\\.0\\.1:${port}: ECONNREFUSED\\)$`)),
    );
    await using server = await RawServer.start(({ socket }) => socket.resetAndDestroy());
    await expect(ask(server.url)).rejects.toEqual(failed(/^the server has closed the connection \(/));
    await using plain = await MjpegCamera.serve(() => undefined);
    await expect(ask(plain.url.replace('http:', 'https:'))).rejects.toEqual(
      failed(/does not use TLS.*: try http: instead/),
    );
  });

  it('ends when it is aborted', async () => {
    await using server = await RawServer.start(({ socket }) => socket.write('HTTP/1.1 200'));
    const aborting = new AbortController();
    const asked = ask(server.url, { signal: aborting.signal });
    await expect.poll(() => server.requests.length).toBe(1);
    aborting.abort();
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('reads IPv6', async () => {
    await using server = await RawServer.start(({ socket }) => socket.end('HTTP/1.1 200 OK\r\n\r\nbody'), {
      host: '::1',
    });
    expect(await bodyOf(await ask(`http://[::1]:${server.port}/`))).toBe('body');
    expect(server.requests[0]!.headers.get('host')).toBe(`[::1]:${server.port}`);
  });

  it('verifies certificates, unless any is accepted', async () => {
    await using server = await RawServer.start(({ socket }) => socket.end('HTTP/1.1 200 OK\r\n\r\nbody'), {
      isSecure: true,
    });
    await expect(ask(server.url)).rejects.toEqual(failed(/certificate cannot be verified.*certificate=any/));
    expect(server.requests).toEqual([]);
    expect(await bodyOf(await ask(server.url, { certificate: 'any' }))).toBe('body');
  });
});

describe('HttpClient: redirects', () => {
  it('are followed, and the credentials are sent only to the server', async () => {
    await using server = await RawServer.start(({ path, socket, headers }) => {
      if (path === '/a') socket.end('HTTP/1.1 302 Found\r\nLocation: b?c\r\n\r\n');
      else if (headers.has('authorization')) socket.end('HTTP/1.1 200 OK\r\n\r\nbody');
      else socket.end('HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n');
    });
    expect(await bodyOf(await ask(`${server.url.replace('//', '//u:p@')}/a`))).toBe('body');
    expect(server.requests.map(({ path, headers }) => [path, headers.get('authorization')])).toEqual([
      ['/a', undefined],
      ['/b?c', undefined],
      ['/b?c', 'Basic dTpw'],
    ]);
  });

  it('never sends credentials to another server', async () => {
    const challenge = ({ socket }: RawRequest): void =>
      void socket.end(
        'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"\r\nWWW-Authenticate: Digest realm="x", nonce="y"\r\n\r\n',
      );
    await using other = await RawServer.start(challenge);
    await using server = await RawServer.start(({ socket, headers }) => {
      // The first request has no credentials, and the response shows that the server requires them.
      if (headers.has('authorization'))
        socket.end(`HTTP/1.1 307 Temporary Redirect\r\nLocation: ${other.url}/stolen\r\n\r\n`);
      else socket.end('HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n');
    });
    await expect(ask(server.url.replace('//', '//u:p@'))).rejects.toEqual(failed(/wrong or missing user name/));
    expect(other.requests.map(({ headers }) => headers.has('authorization'))).toEqual([false]);
  });

  it.each(['SSH-2.0-secret', 'HTTP/1.1 404 secret'])(
    'does not quote the response of another server: %j',
    async (text) => {
      await using other = await RawServer.start(({ socket }) => socket.end(`${text}\r\n\r\n`));
      await using server = await answering(`HTTP/1.1 302 Found\r\nLocation: ${other.url}/\r\n\r\n`);
      await expect(ask(server.url)).rejects.not.toThrow('secret');
      await expect(ask(other.url)).rejects.toThrow('secret');
    },
  );

  it('fail after too many, and for other protocols', async () => {
    await using server = await RawServer.start(({ socket }) => socket.end('HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n'));
    await expect(ask(server.url)).rejects.toEqual(failed(/more than 5 times/));
    expect(server.requests).toHaveLength(6);
    await using away = await answering('HTTP/1.1 301 Moved\r\nLocation: file:///etc/passwd\r\n\r\n');
    await expect(ask(away.url)).rejects.toEqual(failed(/not a valid http/));
  });
});

describe('HttpClient: authentication', () => {
  /** A server with digest authentication that accepts each nonce a limited number of times. */
  const digestServer = (usesOfNonce: number, saysStale: boolean): Promise<RawServer> => {
    let nonce = 0;
    let uses = 0;
    return RawServer.start(({ socket, headers }) => {
      const given = /nonce="(\d+)".*nc=(\d+)/.exec(headers.get('authorization') ?? '');
      if (given?.[1] === String(nonce) && uses < usesOfNonce) {
        uses += 1;
        socket.end(`HTTP/1.1 200 OK\r\n\r\n${given[1]} ${given[2]}`);
        return;
      }
      nonce += 1;
      uses = 0;
      socket.end(
        `HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm="cam", nonce="${nonce}", qop="auth"${saysStale && given !== null ? ', stale=true' : ''}\r\n\r\n`,
      );
    });
  };

  it.each([true, false])(
    'uses a nonce until it is stale, whether or not the server reports this: %s',
    async (saysStale) => {
      await using server = await digestServer(2, saysStale);
      const client = new HttpClient(parseHttpAddress(server.url.replace('//', '//u:p@')), {
        acceptsAnyCertificate: false,
      });
      const bodies: string[] = [];
      for (let n = 0; n < 5; n += 1) bodies.push(await bodyOf(await client.get({}, new AbortController().signal)));
      expect(bodies).toEqual(['1 00000001', '1 00000002', '2 00000001', '2 00000002', '3 00000001']);
    },
  );

  it('fails for a wrong password', async () => {
    await using server = await digestServer(0, false);
    await expect(ask(server.url.replace('//', '//u:p@'))).rejects.toEqual(failed(/wrong or missing user name/));
    expect(server.requests).toHaveLength(2);
  });

  it('fails if every nonce is stale', async () => {
    await using server = await digestServer(0, true);
    await expect(ask(server.url.replace('//', '//u:p@'))).rejects.toEqual(failed(/wrong or missing user name/));
    expect(server.requests).toHaveLength(3);
  });
});
