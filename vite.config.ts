import { resolve } from 'node:path';
import { defineConfig, type Plugin, type UserConfig } from 'vite';

const root = resolve(import.meta.dirname, 'web');
const outDir = resolve(import.meta.dirname, 'dist/web');

// Its other build tries `new Function`, which a strict Content-Security-Policy reports.
const alias = { msgpackr: resolve(import.meta.dirname, 'node_modules/msgpackr/dist/index-no-eval.cjs') };

// Tells this build to leave the address of the worker as it stands. In the package it would tell a consumer's Vite the same,
// which then leaves out the worker's file. As many spaces: the source map stays right.
const NOTE = '/* @vite-ignore */';
const withoutNote: Plugin = {
  name: 'without-vite-ignore',
  generateBundle(_options, bundle) {
    for (const file of Object.values(bundle)) if (file.type === 'chunk') file.code = file.code.replaceAll(NOTE, ' '.repeat(NOTE.length));
  },
};

const library = (entry: string, name: string): UserConfig => ({
  root,
  resolve: { alias },
  plugins: [withoutNote],
  build: {
    outDir,
    emptyOutDir: name === 'gearway-viewer',
    target: 'es2022',
    minify: true,
    sourcemap: true,
    lib: { entry: resolve(root, entry), formats: ['es'], fileName: () => `${name}.js` },
    rollupOptions: { output: { chunkFileNames: 'gearway-[name].js', minify: true, ...(name === 'gearway-viewer' ? { codeSplitting: { groups: [{ name: 'common', minShareCount: 2 }] } } : {}) } },
  },
});

// Builds into one folder: the element, whose rarely used parts are files of their own beside it; its worker, in one file,
// since bundlers copy it as it is; and the pages, which load the built element.
export default defineConfig(({ mode }) => {
  if (mode === 'worker') return library('viewer-worker.ts', 'gearway-worker');
  if (mode !== 'pages') return library('gearway-viewer.ts', 'gearway-viewer');
  return {
    root,
    base: './',
    resolve: { alias },
    build: {
      outDir,
      emptyOutDir: false,
      target: 'es2022',
      rollupOptions: { input: [resolve(root, 'index.html'), resolve(root, 'viewer.html')] },
    },
  };
});
