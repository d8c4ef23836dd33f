// Sends wrong credentials to a gateway at a steady rate, as a process of its own: `node wrong-tokens.mjs OPTIONS`, JSON.
// Prints `{"sent":…,"refused":…,"busy":…,"other":…}` at the end: the attempts, those refused for their credential,
// those that were not checked because too many log-ins or connections were waiting, and all other answers.
import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { encodeMessage, PROTOCOL } from '../../dist/shared/protocol.js';

/** Close codes of a refused viewer, and of one beyond the connections of its address. */
const NOT_ALLOWED = 4005;
const TOO_MUCH = 4006;

const { port, way, perSecond, seconds, localAddresses, forwardedFrom } = JSON.parse(process.argv[2]);
const agent = new Agent({ keepAlive: true, maxSockets: 512 });
const counts = { sent: 0, refused: 0, busy: 0, other: 0 };

function answered(isRefused, isBusy) {
  if (isBusy) counts.busy += 1;
  else if (isRefused) counts.refused += 1;
  else counts.other += 1;
}

function headersOf(number) {
  return forwardedFrom.length === 0 ? {} : { 'x-forwarded-for': forwardedFrom[number % forwardedFrom.length] };
}

const wrong = () => `gw_${randomBytes(33).toString('base64url')}`;

function ask(number, options, body) {
  const outgoing = request(
    {
      ...options,
      host: '127.0.0.1',
      port,
      agent,
      localAddress: localAddresses[number % localAddresses.length],
      headers: { ...headersOf(number), ...options.headers },
    },
    (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () =>
        answered([401, 429].includes(response.statusCode), text.includes('already being checked')),
      );
    },
  );
  outgoing.on('error', () => (counts.other += 1));
  outgoing.end(body);
}

const WAYS = {
  http: (number) => ask(number, { path: '/api/streams/main', headers: { authorization: `Bearer ${wrong()}` } }),
  logIn: (number) => logIn(number, { token: wrong() }),
  password: (number) => logIn(number, { name: 'ann', password: wrong() }),
  hello: (number) => {
    const socket = connect({ host: '127.0.0.1', port, localAddress: localAddresses[number % localAddresses.length] });
    const hello = Buffer.from(encodeMessage({ type: 'hello', token: wrong() }));
    const extra = Object.entries(headersOf(number)).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(
      `GET /streams/main/ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ${PROTOCOL}\r\n${extra.join('')}\r\n`,
    );
    // One binary message, masked with zeros (RFC 6455, section 5.2).
    const length = hello.length < 126 ? [0x80 | hello.length] : [0xfe, hello.length >> 8, hello.length & 255];
    socket.write(Buffer.concat([Buffer.from([0x82, ...length, 0, 0, 0, 0]), hello]));
    const chunks = [];
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      // The close frame: its opcode, its length, and the code.
      const all = Buffer.concat(chunks);
      const body = all.indexOf('\r\n\r\n');
      const close = body < 0 ? -1 : all.indexOf(0x88, body + 4);
      if (close >= 0 && all.length >= close + 4) {
        const code = all.readUInt16BE(close + 2);
        answered(code === NOT_ALLOWED, code === TOO_MUCH);
        socket.destroy();
      }
    });
    socket.on('error', () => (counts.other += 1));
  },
};

function logIn(number, credential) {
  const headers = { origin: `http://127.0.0.1:${port}`, 'content-type': 'application/json' };
  ask(number, { method: 'POST', path: '/api/session', headers }, JSON.stringify(credential));
}

const startMs = performance.now();
const timer = setInterval(() => {
  const elapsedMs = Math.min(performance.now() - startMs, seconds * 1000);
  for (const due = Math.floor((elapsedMs * perSecond) / 1000); counts.sent < due; counts.sent += 1)
    WAYS[way](counts.sent);
  if (elapsedMs < seconds * 1000) return;
  clearInterval(timer);
  // Waits for pending answers, but not for delayed answers.
  setTimeout(() => {
    process.stdout.write(`${JSON.stringify(counts)}\n`, () => process.exit());
  }, 500);
}, 10);
