import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const page = (name: string) => fileURLToPath(new URL(`${name}.html`, import.meta.url));

export default defineConfig({
  // Relative, so that the page can lie below any path.
  base: './',
  define: { __SOURCE_URL__: JSON.stringify(process.env['SOURCE_URL'] ?? '') },
  build: {
    target: 'es2022',
    // The policy allows scripts and styles of this origin only: nothing may become inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: [page('index'), page('architecture'), page('compare')] },
  },
});
