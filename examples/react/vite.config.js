import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  // The development server would move the viewer away from the file of its worker.
  optimizeDeps: { exclude: ['gearway'] },
});
