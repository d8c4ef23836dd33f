import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The clock by which a folder's files get their times ticks every few milliseconds: what happens within one is of the
 * same time.
 */
export async function filesClockTicked(folder: string): Promise<void> {
  const time = async (): Promise<number> => {
    await writeFile(join(folder, 'clock'), '');
    return (await stat(join(folder, 'clock'))).ctimeMs;
  };
  for (const before = await time(); (await time()) === before;);
}
