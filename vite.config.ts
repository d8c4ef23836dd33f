import { resolve } from 'node:path';
import { defineConfig, type Plugin, type UserConfig } from 'vite';

const root = resolve(import.meta.dirname, 'web');
const outDir = resolve(import.meta.dirname, 'dist/web');

// Replaced by our own writer, which is a tenth of the size. Our own code reads messages in any case.
const alias = { msgpackr: resolve(root, 'connection/message-pack-writer.ts') };

// The comment prevents this build from changing the address of the worker. In the package, the comment would have the
// same effect on the Vite of a consumer, which would then omit the worker's file. It is therefore replaced by the same
// number of spaces, so that the source map stays valid.
const NOTE = '/* @vite-ignore */';
const withoutNote: Plugin = {
  name: 'without-vite-ignore',
  generateBundle(_options, bundle) {
    for (const file of Object.values(bundle))
      if (file.type === 'chunk') file.code = file.code.replaceAll(NOTE, ' '.repeat(NOTE.length));
  },
};

// The console contains the devices, in a file in the folder assets. Their worker is next to the built elements.
const workerOfDevices: Plugin = {
  name: 'worker-of-devices',
  apply: 'build',
  transform: (code, id) =>
    id.endsWith('/devices/camera-sender.ts')
      ? { code: code.replace('./gearway-camera-worker.js', '../gearway-camera-worker.js'), map: null }
      : null,
};

/** @param common name of the file that the entry shares with its rarely used parts; null for a single file. */
const library = (entry: string, name: string, common: string | null): UserConfig => ({
  root,
  resolve: { alias },
  plugins: [withoutNote],
  build: {
    outDir,
    // The first build.
    emptyOutDir: name === 'gearway-viewer',
    target: 'es2022',
    minify: true,
    sourcemap: true,
    lib: { entry: resolve(root, entry), formats: ['es'], fileName: () => `${name}.js` },
    rollupOptions: {
      output: {
        chunkFileNames: 'gearway-[name].js',
        minify: true,
        ...(common === null ? {} : { codeSplitting: { groups: [{ name: common, minShareCount: 2 }] } }),
      },
    },
  },
});

// Builds into one folder: each element, whose rarely used parts are separate files; the worker of each element, in one
// file, because bundlers copy it unchanged, and the file that the worker loads for arrays; and the pages, which load
// the built elements. The two elements share no file, so that a page that shows a stream does not load code for
// publishers.
export default defineConfig(({ mode }) => {
  if (mode === 'devices') return library('devices/index.ts', 'gearway-devices', null);
  if (mode === 'camera-worker') return library('devices/camera-worker.ts', 'gearway-camera-worker', null);
  if (mode === 'overlays') return library('viewer/overlays/index.ts', 'gearway-overlays', null);
  if (mode === 'arrays') return library('viewer/arrays/array-decoder.ts', 'gearway-arrays', null);
  if (mode === 'worker') return library('viewer/viewer-worker.ts', 'gearway-worker', null);
  if (mode === 'publisher') return library('publisher/gearway-publisher.ts', 'gearway-publisher', 'publisher-common');
  if (mode === 'publisher-worker') return library('publisher/publisher-worker.ts', 'gearway-publisher-worker', null);
  if (mode === 'viewer') return library('viewer/gearway-viewer.ts', 'gearway-viewer', 'common');
  return {
    root,
    base: './',
    resolve: { alias },
    plugins: [workerOfDevices],
    build: {
      outDir,
      emptyOutDir: false,
      target: 'es2022',
      rollupOptions: { input: ['index.html', 'viewer.html', 'publish.html'].map((page) => resolve(root, page)) },
    },
  };
});
