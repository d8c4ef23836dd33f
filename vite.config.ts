import { resolve } from 'node:path';
import { defineConfig } from 'vite';

const root = resolve(import.meta.dirname, 'web');
const outDir = resolve(import.meta.dirname, 'dist/web');

// Two builds into one folder: the element as one self-contained module, and the pages that use it.
export default defineConfig(({ mode }) =>
  mode === 'pages'
    ? {
        root,
        build: {
          outDir,
          emptyOutDir: false,
          target: 'es2022',
          rollupOptions: {
            input: [resolve(root, 'index.html'), resolve(root, 'viewer.html')],
            external: ['/gearway-viewer.js'],
          },
        },
      }
    : {
        root,
        build: {
          outDir,
          target: 'es2022',
          minify: true,
          sourcemap: true,
          lib: { entry: resolve(root, 'gearway-viewer.ts'), formats: ['es'], fileName: () => 'gearway-viewer.js' },
        },
        worker: { format: 'es' },
      },
);
