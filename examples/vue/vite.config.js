import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  plugins: [vue({ template: { compilerOptions: { isCustomElement: (tag) => tag === 'gearway-viewer' } } })],
  // The development server would move the viewer away from the file of its worker.
  optimizeDeps: { exclude: ['gearway'] },
});
