import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DOC_PAGES, docBlocks, ROOT } from '../helpers/example-lines.ts';

// Every fenced code block of the pages is run by a test. A new block must be added here, with the test that runs it.

const COMMANDS = 'soak/docs-commands.test.ts';
const PROGRAMS = 'soak/docs-programs.test.ts';
const PAGES = 'soak/browser/docs-pages.test.ts';
const PACKAGES = 'soak/browser/packages.test.ts';
const DEPLOYMENT = 'soak/deployment.test.ts';
const DEPLOY_PAGES = 'soak/browser/deploy-docs.test.ts';
const EXAMPLES = 'soak/browser/examples.test.ts';
const HELPER = 'soak/python-helper.test.ts';
const PROXIES = 'soak/browser/proxies.test.ts';
const API = 'interop/http-api-docs.test.ts';
const OPERATIONS = 'interop/operations-docs.test.ts';
const PUSH = 'interop/push.test.ts';
const IMAGEZMQ = 'interop/imagezmq.test.ts';
const PYTHON = 'interop/docs.test.ts';
const EMBEDDING = 'browser/embedding.test.ts';
const ADAPTATION = 'unit/clients/web/adaptation.test.ts';

/** Examples that no test can run, with the reason. */
const NO_NETWORK = 'not run: it installs packages from the network';
const NO_DOCKER =
  'not run: it needs Docker, Kubernetes or systemd; soak/deployment.test.ts runs what these files contain';
const NO_TRAEFIK = 'not run: Debian has no package of Traefik';
const THE_SUITE = 'not run: it runs all tests, or for half an hour';

/** The tests of each block, in the order of the page, by heading and language (`output` for blocks without one). */
const RUN_BY: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'README.md': {
    'Try it [sh]': [COMMANDS],
    'Show a NetGear server [sh]': [COMMANDS],
    'Show a NetGear server [python]': [EXAMPLES],
    'Show a camera [sh]': [COMMANDS],
    'Embed the viewer in a page [html]': [PAGES],
    'Develop [sh]': [THE_SUITE],
  },
  'python/README.md': { 'gearway [python]': [PROGRAMS, PROGRAMS] },
  'docs/api.md': { 'A gateway in your program [js]': [PROGRAMS], 'gearway/netgear [js]': [PROGRAMS] },
  'docs/arrays.md': { 'Show depth, thermal and other arrays [html]': [PAGES], 'Measure distances [python]': [PAGES] },
  'docs/behind-a-proxy.md': {
    'Start the gateway [sh]': [COMMANDS],
    'nginx [nginx]': [PROXIES, PROXIES],
    'Caddy [caddy]': [PROXIES, PROXIES],
    'Traefik [yaml]': [NO_TRAEFIK],
  },
  'docs/cameras.md': {
    'A camera of this machine [sh]': [COMMANDS, COMMANDS],
    'An IP camera [sh]': [COMMANDS, COMMANDS],
    'A camera with still pictures [sh]': [COMMANDS, COMMANDS],
    'Several cameras [sh]': [COMMANDS],
    'A screen, a file, a folder [sh]': [COMMANDS],
    'Depth and thermal cameras [sh]': [COMMANDS],
  },
  'docs/command-line.md': { 'Options [sh]': [COMMANDS] },
  'docs/configuration.md': {
    'A file [yaml]': [COMMANDS, COMMANDS],
    'A file [sh]': [COMMANDS],
    'A file [output]': [COMMANDS],
  },
  'docs/console.md': { 'A grid for a wall display [output]': [PAGES] },
  'docs/control.md': {
    'Control something from the browser [html]': [PAGES],
    'Control something from the browser [python]': [PAGES],
    'Forms [html]': [PAGES],
    'Forms [python]': [PAGES],
    'Pointer tools [html]': [PAGES],
    'Camera [html]': [PAGES],
    'Emergency stop [python]': [PAGES],
    'One driver [yaml]': [COMMANDS],
  },
  'docs/deploy.md': {
    'With Docker Compose [sh]': [DEPLOYMENT, NO_DOCKER],
    'As a container [sh]': [NO_DOCKER, NO_DOCKER],
    'As a systemd service [sh]': [NO_DOCKER, NO_DOCKER, COMMANDS, NO_DOCKER, NO_DOCKER],
    'Home Assistant [yaml]': [DEPLOY_PAGES],
    'Grafana [html]': [DEPLOY_PAGES],
  },
  'docs/element.md': { 'Viewer slots [html]': [PAGES], 'Viewer CSS parts [css]': [PAGES] },
  'docs/embedding.md': {
    'Paste this [html]': [EMBEDDING],
    'Pages of another origin [sh]': [COMMANDS],
    'Return data [python]': [PROGRAMS],
    'Return data [js]': [PAGES],
    'TypeScript and bundlers [ts]': [PACKAGES],
    'TypeScript and bundlers [js]': [PACKAGES],
    'React [ts]': [PACKAGES],
    'React [tsx]': [PACKAGES],
    'Vue [js]': [PACKAGES],
    'Vue [vue]': [PACKAGES],
    'In an iframe [html]': [PAGES],
  },
  'docs/getting-started.md': {
    '1. See a test pattern [sh]': [COMMANDS],
    '2. Connect a Python server [sh]': [COMMANDS, EXAMPLES],
    '3. Connect a Python client [python]': [EXAMPLES],
    '4. Return data [output]': [EXAMPLES],
    '5. Put the stream into a page [html]': [PAGES],
  },
  'docs/http-api.md': {
    'HTTP API [sh]': [API],
    'State [sh]': [API],
    'State [json]': [API],
    'Events [sh]': [API],
    'Events [output]': [API],
    'Create, change and remove streams [sh]': [API],
    'Create, change and remove streams [json]': [API],
    'List a native client [sh]': [API],
    'List a native client [json]': [API],
    'Disconnect a client [sh]': [API],
    'Take control back [sh]': [API],
    'Share links [sh]': [API],
    'Share links [json]': [API],
    'Return data of a client [sh]': [API],
    'MJPEG [html]': [PAGES],
    'MJPEG [sh]': [API],
    'MJPEG [python]': [API],
    'Snapshots [sh]': [API],
    'Administrator key [output]': [API],
    'Administrator key [sh]': [API],
    'Token [sh]': [API],
    'Token [python]': [API],
  },
  'docs/install.md': { 'From a checkout [sh]': [COMMANDS], 'In another project [sh]': [PACKAGES, PACKAGES] },
  'docs/operations.md': {
    'Health and readiness [sh]': [OPERATIONS],
    'Health and readiness [json]': [OPERATIONS],
    'Metrics [sh]': [OPERATIONS],
    'Log [output]': [OPERATIONS],
    'Log [json]': [OPERATIONS],
    'Webhooks [sh]': [OPERATIONS, OPERATIONS],
    'Webhooks [yaml]': [OPERATIONS],
    'Webhooks [python]': [OPERATIONS],
    'Webhooks [output]': [OPERATIONS],
    'Audit log [sh]': [OPERATIONS],
    'Audit log [json]': [OPERATIONS],
    'Prometheus and alerts [sh]': [OPERATIONS],
  },
  'docs/overlays.md': {
    'Describe it in the message [python]': [PAGES],
    'Describe it in the message [html]': [PAGES],
    'Draw it yourself [js]': [PAGES],
    'Put HTML on the picture [html]': [PAGES],
    'Put HTML on the picture [js]': [PAGES],
  },
  'docs/phone-as-a-camera.md': { 'The page [sh]': [COMMANDS], 'In your own page [html]': [EMBEDDING, PAGES] },
  'docs/publishing.md': {
    'Publish from a program [sh]': [COMMANDS],
    'One request per picture [sh]': [PUSH],
    'One request per picture [python]': [PUSH],
    'One long request [output]': [PUSH],
    'One long request [sh]': [PUSH],
  },
  'docs/python-clients.md': { 'Several clients [python]': [PYTHON, PYTHON], 'Several clients [sh]': [PYTHON] },
  'docs/python-helper.md': {
    'Install [sh]': [NO_NETWORK],
    'A server [python]': [HELPER],
    'A server [sh]': [HELPER],
    'A client [python]': [HELPER],
    'With your own NetGear [python]': [HELPER],
    'Arrays in messages [python]': [HELPER],
  },
  'docs/python-server.md': {
    'One server [python]': [PYTHON, PYTHON],
    'One server [sh]': [PYTHON],
    'A server on another machine [sh]': [COMMANDS],
    'A server in multi-clients mode [sh]': [PYTHON],
    'Several servers in multi-servers mode [sh]': [PYTHON],
  },
  'docs/scale-out.md': {
    'Start [sh]': [COMMANDS, COMMANDS],
    'Two sites [output]': [COMMANDS, COMMANDS],
    'Protect the NATS server [output]': [COMMANDS],
    'Failover [sh]': [COMMANDS],
    'With Docker Compose or Kubernetes [sh]': [NO_DOCKER, NO_DOCKER],
  },
  'docs/secure-mode.md': { 'Enable it [sh]': [COMMANDS], 'Enable it [python]': [COMMANDS] },
  'docs/security.md': {
    'Tokens and users [sh]': [COMMANDS],
    'Tokens and users [yaml]': [COMMANDS],
    'Share links [sh]': [COMMANDS],
    'Restarts [sh]': [COMMANDS],
    'JSON Web Tokens [yaml]': [COMMANDS],
    'Test it yourself [sh]': [THE_SUITE],
  },
  'docs/source-urls.md': {
    'Syntax [sh]': [COMMANDS],
    'All sources [json]': [COMMANDS],
    'A sender that survives a restart of the gateway [python]': [IMAGEZMQ],
  },
  'docs/thin-links.md': {
    'What you see [text]': [ADAPTATION],
    'Control it [html]': [PAGES],
    'Publish over a thin link [html]': [PAGES],
  },
  'docs/troubleshooting.md': { 'gearway probe [sh]': [COMMANDS], 'gearway probe [output]': [COMMANDS] },
};

/** Tests that read the commands of every page. */
const READS_ALL = [COMMANDS];

describe.each(DOC_PAGES)('%s', (page) => {
  it('has no example that is not run', () => {
    const found: Record<string, number> = {};
    for (const { heading, language } of docBlocks(page)) {
      const key = `${heading} [${language === '' ? 'output' : language}]`;
      found[key] = (found[key] ?? 0) + 1;
    }
    const claimed = Object.entries(RUN_BY[page] ?? {}).map(([key, tests]) => [key, tests.length]);
    expect(found).toEqual(Object.fromEntries(claimed));
  });

  it('is read by the tests that run its examples', () => {
    for (const test of new Set(Object.values(RUN_BY[page] ?? {}).flat())) {
      if (test.startsWith('not run: ')) continue;
      const path = join(ROOT, 'test', test);
      expect(existsSync(path), test).toBe(true);
      if (!READS_ALL.includes(test))
        expect(readFileSync(path, 'utf8'), `${test} reads ${page}`).toContain(basename(page));
    }
  });
});
