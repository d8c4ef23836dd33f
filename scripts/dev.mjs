/**
 * `npm run dev -- OPTIONS`: runs the gateway with these options, and the pages, from their sources. The
 * gateway restarts when one of its files changes; the page reloads when a file of the page or of an element changes.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'vite';

const GATEWAY = { host: '127.0.0.1', port: 8080 };
const PAGES = { host: '127.0.0.1', port: 5173 };

/** Paths that differ from those of the build (gateway/http/web-files.ts). */
const ADDRESSES = new Map([
  ['/viewer', '/viewer.html'],
  ['/publish', '/publish.html'],
  ['/gearway-viewer.js', '/viewer/gearway-viewer.ts'],
  ['/gearway-publisher.js', '/publisher/gearway-publisher.ts'],
  ['/viewer/gearway-worker.js', '/viewer/viewer-worker.ts'],
  ['/gearway-devices.js', '/devices/index.ts'],
  ['/devices/gearway-camera-worker.js', '/devices/camera-worker.ts'],
  ['/viewer/gearway-overlays.js', '/viewer/overlays/index.ts'],
  ['/viewer/gearway-arrays.js', '/viewer/arrays/array-decoder.ts'],
  ['/publisher/gearway-publisher-worker.js', '/publisher/publisher-worker.ts'],
]);

const addresses = {
  name: 'gearway-addresses',
  configureServer({ middlewares }) {
    middlewares.use((request, _response, next) => {
      const [path, query] = request.url.split('?', 2);
      const file = ADDRESSES.get(path);
      if (file !== undefined) request.url = query === undefined ? file : `${file}?${query}`;
      next();
    });
  },
};

const target = `http://${GATEWAY.host}:${GATEWAY.port}`;
const pages = await createServer({
  mode: 'pages',
  plugins: [addresses],
  server: {
    ...PAGES,
    strictPort: true,
    proxy: Object.fromEntries(
      ['/api', '/streams', '/healthz'].map((path) => [path, { target, ws: true, changeOrigin: true }]),
    ),
  },
});
await pages.listen();

const own = ['--port', String(GATEWAY.port), '--allow-origin', `http://${PAGES.host}:${PAGES.port}`];
const gateway = spawn('tsx', ['watch', '--clear-screen=false', 'gateway/main.ts', ...own, ...process.argv.slice(2)], {
  stdio: 'inherit',
  shell: process.platform === 'win32',
});
console.log(
  `Pages from their sources: http://${PAGES.host}:${PAGES.port}/ (add #key=… of the address that the gateway prints, to administer it)`,
);

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => gateway.kill(signal));
const [code] = await once(gateway, 'exit');
await pages.close();
process.exit(code ?? 1);
