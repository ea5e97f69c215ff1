// How the page is built.
//
// Knows: where the pieces come from and go to. Never: what they show.

import { defineConfig } from "vitest/config";

/** Where the API is while the page is developed with `npm run dev`. */
const API = "http://127.0.0.1:8080";

export default defineConfig({
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    target: "es2022",
    // The policy of the page allows no inline script and no data in a style sheet.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  // A test reads the colours out of the style sheets.
  test: { css: true },
  server: {
    proxy: {
      "/api": API,
      "/ws": { target: API, ws: true, changeOrigin: true, rewriteWsOrigin: true },
    },
  },
});
