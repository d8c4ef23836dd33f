import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import { type LoadedOptions, loadOptions } from '../../../gateway/config/load-config.ts';
import { Reload } from '../../../gateway/config/reload.ts';
import { checkOptions, formats } from '../../helpers/config.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway-reload-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Reloads a file into a gateway that records applied options and reports. */
async function watch(file: string): Promise<{ applied: unknown[]; reports: string[]; reload: Reload } & Disposable> {
  const applied: unknown[] = [];
  const reports: string[] = [];
  const load = async (): Promise<LoadedOptions> =>
    loadOptions(file, { formats, variables: {}, given: [], check: checkOptions });
  // The command loads the file at the start, too. The YAML parser is loaded on the first call.
  await load();
  const reload = new Reload({
    file,
    load,
    gateway: {
      reconfigure: async (load) => {
        applied.push((await load()).port);
        return {
          added: [],
          removed: [],
          changed: ['door'],
          rights: ['wall'],
          webhooks: ['ops'],
          needsRestart: [],
          problems: [],
        };
      },
      report: (text) => reports.push(text),
    },
    log: SILENT_LOGGER,
  });
  await reload.start();
  return { applied, reports, reload, [Symbol.dispose]: () => reload.close() };
}

const yaml = (port: number): string => `port: ${port}\n`;

describe('Reload', () => {
  it('applies a file that is written, replaced by a rename, and written again after it has disappeared', async () => {
    const file = join(folder, 'gateway.yaml');
    writeFileSync(file, yaml(1));
    using watched = await watch(file);
    writeFileSync(file, yaml(2));
    await expect.poll(() => watched.applied).toEqual([2]);
    writeFileSync(join(folder, 'draft'), yaml(3));
    renameSync(join(folder, 'draft'), file);
    await expect.poll(() => watched.applied).toEqual([2, 3]);
    rmSync(file);
    writeFileSync(file, yaml(4));
    await expect.poll(() => watched.applied).toEqual([2, 3, 4]);
    expect(watched.reports).toEqual(
      Array(3).fill(`${file}: changed door; changed the rights of wall; changed the webhooks ops`),
    );
  });

  it('applies a file behind a symbolic link that is replaced, as Kubernetes does with a ConfigMap', async () => {
    for (const [name, port] of [
      ['..1', 1],
      ['..2', 2],
    ] as const) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'gateway.yaml'), yaml(port));
    }
    symlinkSync('..1', join(folder, '..data'));
    const file = join(folder, 'gateway.yaml');
    symlinkSync('..data/gateway.yaml', file);
    using watched = await watch(file);
    symlinkSync('..2', join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    await expect.poll(() => watched.applied).toEqual([2]);
  });

  it('ignores an invalid file, and reports the position of the error', async () => {
    const file = join(folder, 'gateway.yaml');
    writeFileSync(file, yaml(1));
    using watched = await watch(file);
    writeFileSync(file, 'port: 80\nprot: 1\n');
    await expect
      .poll(() => watched.reports)
      .toEqual([`${file}:2:1: the file has the unknown key "prot"; did you mean port?; nothing was changed`]);
    expect(watched.applied).toEqual([]);
    writeFileSync(file, yaml(5));
    await expect.poll(() => watched.applied).toEqual([5]);
  });

  it('applies a file on request, even if it has not changed', async () => {
    const file = join(folder, 'gateway.yaml');
    writeFileSync(file, yaml(1));
    using watched = await watch(file);
    watched.reload.now();
    await expect.poll(() => watched.applied).toEqual([1]);
  });
});
