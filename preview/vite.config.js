import { cpSync } from 'node:fs';
import { defineConfig } from 'vite';

// @grafana/ui loads its icons from where a Grafana server has them.
const icons = {
  name: 'icons',
  closeBundle: () => cpSync('node_modules/@grafana/ui/dist/public', 'dist/public/build', { recursive: true }),
};

// Its code editor and its maps take most of the time of a build, and the page has neither.
const UNUSED = /^(monaco-editor|@monaco-editor\/react|ol|@codemirror\/[\w-]+|@uiw\/react-codemirror)(\/|$)/;
const leftOut = {
  name: 'left-out',
  enforce: 'pre',
  resolveId: (id) => (UNUSED.test(id) ? '\0left-out' : null),
  load: (id) => (id === '\0left-out' ? 'export default {}' : null),
};

export default defineConfig({
  plugins: [leftOut, icons],
  esbuild: { jsx: 'automatic' },
  define: { 'process.env.NODE_ENV': '"production"' },
  resolve: {
    // One router for all: @grafana/ui asks for 5 and for a bridge from 5 to 6, @grafana/scenes for 6.
    alias: { 'react-router-dom-v5-compat': 'react-router-dom' },
    dedupe: ['react', 'react-dom', 'react-router-dom', 'rxjs', '@grafana/data', '@grafana/runtime', '@grafana/ui'],
  },
  build: {
    target: 'es2022',
    chunkSizeWarningLimit: 20000,
    // @grafana/ui takes things from the router that only version 5 has, in components that the page does not use.
    rollupOptions: { shimMissingExports: true, onwarn: () => {} },
  },
});
