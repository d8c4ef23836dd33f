import { resolve } from 'node:path';
import { defineConfig, type Plugin, type UserConfig } from 'vite';

const root = resolve(import.meta.dirname, 'web');
const outDir = resolve(import.meta.dirname, 'dist/web');

// Its modules, of which a bundle has only what it uses; its builds are one file.
const alias = { msgpackr: resolve(import.meta.dirname, 'node_modules/msgpackr/pack.js') };

// It tries `new Function`, which a strict Content-Security-Policy reports. The same replacement makes its own build
// `index-no-eval`.
const withoutEval: Plugin = {
  name: 'without-eval',
  transform: (code, id) =>
    id.includes('/msgpackr/') ? { code: code.replace('new Function(', 'new BlockedFunction('), map: null } : null,
};

// Tells this build to leave the address of the worker as it stands. In the package it would tell a consumer's Vite the
// same, which then leaves out the worker's file. As many spaces: the source map stays right.
const NOTE = '/* @vite-ignore */';
const withoutNote: Plugin = {
  name: 'without-vite-ignore',
  generateBundle(_options, bundle) {
    for (const file of Object.values(bundle))
      if (file.type === 'chunk') file.code = file.code.replaceAll(NOTE, ' '.repeat(NOTE.length));
  },
};

/** @param common the file of what the entry shares with its rarely used parts; null where all is to be in one file. */
const library = (entry: string, name: string, common: string | null): UserConfig => ({
  root,
  resolve: { alias },
  plugins: [withoutNote, withoutEval],
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

// Builds into one folder: each element, whose rarely used parts are files of their own beside it; its worker, in one
// file, since bundlers copy it as it is, as they do what it loads when an array arrives; and the pages, which load the
// built elements. The two elements share no file: a page that shows a stream would else load what only a publisher
// needs.
export default defineConfig(({ mode }) => {
  if (mode === 'devices') return library('devices/index.ts', 'gearway-devices', null);
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
    plugins: [withoutEval],
    build: {
      outDir,
      emptyOutDir: false,
      target: 'es2022',
      rollupOptions: { input: ['index.html', 'viewer.html', 'publish.html'].map((page) => resolve(root, page)) },
    },
  };
});
