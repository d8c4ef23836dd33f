import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import vue from '@vitejs/plugin-vue';
import { build, createServer, type PluginOption } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedBrowser } from '../../helpers/browsers.ts';
import { Child } from '../../helpers/child.ts';
import { blocks, ROOT } from '../../helpers/example-lines.ts';
import { LocalGateway } from '../../helpers/local-gateway.ts';
import { Site } from '../../helpers/site.ts';
import { ViewerPage } from '../../browser/viewer-page.ts';

const run = promisify(execFile);
/** npm without the network and without scripts. */
const npm = (cwd: string, ...args: string[]): Promise<{ stdout: string }> =>
  run('npm', [...args, '--offline', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd });

const page = (head: string): string =>
  `<!doctype html><title>Empty project</title>${head}<gearway-viewer></gearway-viewer><script type="module">
  document.querySelector('gearway-viewer').src = new URLSearchParams(location.search).get('gateway') + '/streams/main';
</script>`;

/** Result of `npm pack` for a folder: its archive, and the files in it. */
async function pack(folder: string, to: string): Promise<{ archive: string; files: readonly string[] }> {
  const { stdout } = await npm(folder, 'pack', '--json', '--pack-destination', to);
  const [packed] = JSON.parse(stdout) as { filename: string; files: { path: string }[] }[];
  return { archive: join(to, packed!.filename), files: packed!.files.map(({ path }) => path) };
}

let folder = '';
let viewer: Awaited<ReturnType<typeof pack>>;
let gearway: Awaited<ReturnType<typeof pack>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gearway-packages-'));
  viewer = await pack(join(ROOT, 'dist/viewer-package'), folder);
  gearway = await pack(ROOT, folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** An empty project, as in docs/install.md, with `gearway-viewer` installed from its archive. */
async function project(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const root = join(folder, name);
  await mkdir(root);
  await writeFile(join(root, 'package.json'), '{"private": true, "type": "module"}');
  for (const [file, text] of Object.entries(files)) await writeFile(join(root, file), text);
  await npm(root, 'install', viewer.archive);
  return root;
}

/** Opens the page of a site, and checks that it shows live video, decoded in the worker. */
async function showsLive(origin: string): Promise<void> {
  await using gateway = await LocalGateway.start('--allow-origin', origin);
  await using browser = await sharedBrowser('chromium');
  await using shown = await ViewerPage.open(browser, `${origin}/?gateway=${gateway.url}`);
  await shown.becomes('live');
  expect(await shown.place).toBe('worker');
  expect((await gateway.status()).clients[0]?.kind).toBe('web');
}

describe('the package gearway-viewer', () => {
  it('has no dependencies, and contains every file in its exports and its manifest', async () => {
    const content = JSON.parse(await readFile(join(ROOT, 'dist/viewer-package/package.json'), 'utf8')) as {
      exports: Record<string, string | Record<string, string>>;
    };
    expect(content).not.toHaveProperty('dependencies');
    expect(Object.keys(content.exports)).toEqual(
      expect.arrayContaining(['.', './publisher', './devices', './react', './*.js', './package.json']),
    );
    const named = Object.values(content.exports)
      .flatMap((target) => (typeof target === 'string' ? [target] : Object.values(target)))
      .filter((path) => !path.includes('*'))
      .map((path) => path.replace('./', ''));
    const manifest = JSON.parse(await readFile(join(ROOT, 'dist/viewer-package/custom-elements.json'), 'utf8')) as {
      modules: { path: string }[];
    };
    const modules = manifest.modules.map(({ path }) => path);
    expect(modules).toContain('gearway-viewer.js');
    for (const path of [...named, ...modules, 'gearway-worker.js', 'gearway-arrays.js', 'LICENSE', 'README.md'])
      expect(viewer.files).toContain(path);
    expect(viewer.files.filter((path) => path.endsWith('.html') || path.startsWith('gateway/'))).toEqual([]);
  });

  it('shows live video in a page without a build', async () => {
    const root = await project('plain', {
      'index.html': page('<script type="module" src="/node_modules/gearway-viewer/gearway-viewer.js"></script>'),
    });
    await using site = await Site.folder(root);
    await showsLive(site.origin);
  });

  it('shows live video built by Vite, and by its development server', async () => {
    const root = await project('vite', {
      'index.html': page('<script type="module" src="/main.js"></script>'),
      'main.js': "import 'gearway-viewer';\n",
    });
    await build({ root, logLevel: 'error' });
    await using site = await Site.folder(join(root, 'dist'));
    await showsLive(site.origin);

    const server = await createServer({ root, logLevel: 'error', server: { host: '127.0.0.1', port: 0, hmr: false } });
    try {
      await server.listen();
      await showsLive(server.resolvedUrls!.local[0]!.replace(/\/$/, ''));
    } finally {
      await server.close();
    }
  });

  it('has types for React with all properties and events of the elements', async () => {
    const root = await project('react', {
      'main.tsx': REACT,
      'tsconfig.json': TSCONFIG,
    });
    expect(await typeErrors(root)).toBe('');
  });
});

/** Folder of `react`, because the projects do not install it. */
const TSCONFIG = JSON.stringify({
  compilerOptions: {
    target: 'ES2022',
    lib: ['ES2023', 'DOM', 'DOM.Iterable'],
    module: 'ESNext',
    moduleResolution: 'bundler',
    jsx: 'react-jsx',
    strict: true,
    noEmit: true,
    types: [],
    paths: {
      react: [join(ROOT, 'node_modules/@types/react')],
      'react/*': [join(ROOT, 'node_modules/@types/react/*')],
    },
  },
});

/** Output of the TypeScript compiler for a project. */
async function typeErrors(root: string): Promise<string> {
  const { stdout } = await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', root]).catch(
    (error: Error & { stdout: string }) => error,
  );
  return stdout;
}

describe('docs/embedding.md', () => {
  const snippet = (language: string, word: string): string =>
    blocks('embedding.md', language).find((text) => text.includes(word))!;

  it('has a module in TypeScript and a configuration of Vite that work', async () => {
    const module = snippet('ts', 'createElement');
    const root = await project('documented', {
      'index.html': '<!doctype html><title>Documented</title><body><script type="module" src="/main.ts"></script>',
      'main.ts': module,
      'vite.config.js': snippet('js', 'optimizeDeps'),
      'tsconfig.json': TSCONFIG,
    });
    expect(await typeErrors(root)).toBe('');
    const server = await createServer({ root, logLevel: 'error', server: { host: '127.0.0.1', port: 0, hmr: false } });
    try {
      await server.listen();
      const origin = server.resolvedUrls!.local[0]!.replace(/\/$/, '');
      await using gateway = await LocalGateway.start('--allow-origin', origin);
      await writeFile(join(root, 'main.ts'), module.replace('http://127.0.0.1:8080', gateway.url));
      await using browser = await sharedBrowser('chromium');
      await using shown = await ViewerPage.open(browser, origin);
      await shown.becomes('live');
    } finally {
      await server.close();
    }
  });

  it('has an element for React with its types', async () => {
    const root = await project('documented-react', {
      'main.tsx': `${snippet('ts', 'react')}
declare const [src, returnData]: [string, { readonly speed: number }];
declare function setFrame(frame: { readonly sequence: number }): void;
export const page = (
${snippet('tsx', 'gearway-viewer')});
`,
      'tsconfig.json': TSCONFIG,
    });
    expect(await typeErrors(root)).toBe('');
  });

  it('has an element for Vue, and the option of its compiler', async () => {
    const root = await project('documented-vue', {
      'index.html':
        '<!doctype html><title>Vue</title><body><div id="app"></div><script type="module" src="/main.js"></script>',
      'main.js':
        "import 'gearway-viewer';\nimport { createApp } from 'vue';\nimport App from './App.vue';\ncreateApp(App).mount('#app');\n",
      'App.vue': `<script setup>
import { ref } from 'vue';
const src = new URLSearchParams(location.search).get('gateway') + '/streams/main';
const speed = 1;
const frame = ref(null);
</script>
<template>
${snippet('vue', 'gearway-viewer')}<p>{{ frame?.sequence }}</p>
</template>
`,
    });
    // oxlint-disable-next-line no-implied-eval -- a snippet of the documentation
    const plugin = new Function('vue', `return ${snippet('js', 'isCustomElement')}`)(vue) as PluginOption;
    await build({
      root,
      logLevel: 'error',
      plugins: [plugin],
      resolve: { alias: { vue: join(ROOT, 'node_modules/vue/dist/vue.runtime.esm-bundler.js') } },
    });
    await using site = await Site.folder(join(root, 'dist'));
    await showsLive(site.origin);
  });
});

const REACT = `
import 'gearway-viewer/react';
import 'gearway-viewer/publisher';
import 'gearway-viewer/devices';

export const page = (
  <>
    <gearway-viewer src="/streams/main" controls overlays="boxes" quality="half" returnData={{ speed: 1 }} className="a"
      ongearway-frame={({ detail }) => console.log(detail.sequence)} overlay={null} />
    <gearway-publisher size="720p" ongearway-publisher-state={({ detail }) => console.log(detail.state)} />
    <gearway-joystick name="drive" ongearway-input={({ detail }) => console.log(detail.value, detail.held)} />
    <gearway-slider name="speed" disabled />
    <gearway-stop inline />
    {/* @ts-expect-error: read-only */}
    <gearway-viewer port={6000} />
    {/* @ts-expect-error: a method */}
    <gearway-viewer send={() => undefined} />
    {/* @ts-expect-error: no such property */}
    <gearway-viewer sorce="/streams/main" />
  </>
);
`;

describe('the package gearway', () => {
  it('runs from its archive, with its pages and its elements', async () => {
    // The folder is inside the project, whose packages are its dependencies.
    const artifacts = join(ROOT, 'test/.artifacts');
    await mkdir(artifacts, { recursive: true });
    const root = await mkdtemp(join(artifacts, 'gearway-'));
    try {
      await run('tar', ['-xzf', gearway.archive, '-C', root]);
      const installed = join(root, 'package');
      expect(gearway.files.filter((path) => path.startsWith('dist/viewer-package/'))).toEqual([]);
      const { exports } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as {
        exports: Record<string, string | Record<string, string>>;
      };
      for (const target of Object.values(exports))
        for (const path of typeof target === 'string' ? [target] : Object.values(target))
          await access(join(installed, path));
      await using command = new Child(process.execPath, [
        join(installed, 'dist/gateway/main.js'),
        '--port',
        '0',
        '--source',
        'test-pattern:?size=320x180&fps=15',
      ]);
      const url = await command.stdout.waitFor(
        'the address',
        (line) => /^Gearway is serving on (\S+)\/$/.exec(line)?.[1],
      );
      await using browser = await sharedBrowser('chromium');
      await using shown = await ViewerPage.open(browser, `${url}/viewer`);
      await shown.becomes('live');
    } finally {
      await rm(root, { recursive: true });
    }
  });
});
