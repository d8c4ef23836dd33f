import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');

/** Errors of the compiler for a project; empty if there are none. */
async function complaints(project: string): Promise<string> {
  return promisify(execFile)(process.execPath, [TSC, '-p', project]).then(
    ({ stdout }) => stdout,
    (error: Error & { stdout?: string }) => error.stdout ?? error.message,
  );
}

const VIEWER = `
import { type GearwayViewer, ReturnRefusedError, type Value } from 'gearway/viewer';

const viewer: GearwayViewer = document.createElement('gearway-viewer');
viewer.addEventListener('gearway-frame', ({ detail }) => {
  const message: Value = detail.message;
  const sequence: number = detail.sequence;
  console.log(sequence, message);
  // @ts-expect-error: unknown field of detail
  console.log(detail.number);
});
viewer.addEventListener('gearway-state', ({ detail }) => console.log(detail.state === 'live', detail.reason));
viewer.addEventListener('click', ({ clientX }) => console.log(clientX));
viewer.fit = 'cover';
// @ts-expect-error: not a value of fit
viewer.fit = 'stretch';
// @ts-expect-error: read-only
viewer.port = 6000;
// @ts-expect-error: not public
viewer._state;
viewer.returnData = { speed: 0, path: [1, 2n, null] };
viewer.returnData = { shape: [2, 2], data: new Float32Array(4) };
// @ts-expect-error: has no Python type
viewer.returnData = new Map();
viewer.send(new Blob(), { ttlMs: 500 }).catch((error: unknown) => console.log(error instanceof ReturnRefusedError && error.code));
viewer.snapshot('received').then((snapshot) => snapshot?.blob.size);
document.body.append(viewer, document.querySelector('gearway-viewer')!);
`;

const PUBLISHER = `
import { type CameraFailure, type GearwayPublisher, type ReturnedValue } from 'gearway/publisher';

const publisher: GearwayPublisher = document.createElement('gearway-publisher');
publisher.addEventListener('gearway-publisher-data', ({ detail }) => {
  const value: ReturnedValue = detail.value;
  console.log(detail.port, detail.mode === 'sticky', value instanceof Blob ? value.size : value);
  // @ts-expect-error: unknown field of detail
  console.log(detail.sequence);
});
publisher.addEventListener('gearway-publisher-failed', ({ detail }) => {
  const code: CameraFailure = detail.code;
  console.log(code === 'ended');
});
publisher.addEventListener('gearway-publisher-state', ({ detail }) => console.log(detail.state === 'live', detail.reason));
publisher.size = '1080p';
// @ts-expect-error: unknown size
publisher.size = '4k';
publisher.message = { place: 'gate', numbers: [1, 2n, null] };
// @ts-expect-error: has no Python type
publisher.message = new Map();
// @ts-expect-error: read-only
publisher.state = 'live';
// @ts-expect-error: not public
publisher._state;
publisher.start({ takeOver: true });
publisher.stop();
console.log(publisher.cameras[0]?.label, publisher.stats.roundTripMs);
document.body.append(publisher, document.querySelector('gearway-publisher')!);
`;

describe('the types of the elements', { timeout: 60_000 }, () => {
  it.each(['bundler', 'nodenext'])('work without other packages, resolved as %s does', async (resolution) => {
    const folder = await mkdtemp(join(tmpdir(), 'gearway-'));
    const installed = join(folder, 'node_modules/gearway');
    await mkdir(installed, { recursive: true });
    await cp(join(ROOT, 'package.json'), join(installed, 'package.json'));
    await cp(join(ROOT, 'dist'), join(installed, 'dist'), { recursive: true });
    await writeFile(join(folder, 'viewer.mts'), VIEWER);
    await writeFile(join(folder, 'publisher.mts'), PUBLISHER);
    const compilerOptions = {
      target: 'ES2022',
      lib: ['ES2023', 'DOM', 'DOM.Iterable'],
      module: resolution === 'bundler' ? 'ESNext' : 'NodeNext',
      moduleResolution: resolution,
      strict: true,
      noEmit: true,
      types: [],
    };
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['viewer.mts', 'publisher.mts'] }),
    );
    expect(await complaints(folder)).toBe('');
    await rm(folder, { recursive: true });
  });

  it('serve the React example', async () => {
    expect(await complaints(join(ROOT, 'examples/react'))).toBe('');
  });
});
