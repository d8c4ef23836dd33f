import { createServer } from 'node:net';

/**
 * Range of ports below that from which Linux, macOS and Windows assign local ports of connections, and of listeners on
 * port 0.
 */
const FIRST = 10_000;
const COUNT = 20_000;

/** Next port to try; concurrent processes start at different ports. */
let next = Math.floor(Math.random() * COUNT);

/** Different free ports, outside of the range from which the system assigns ports. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = FIRST + (next % COUNT);
    next += 1;
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
