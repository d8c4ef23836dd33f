import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The clock for the times of files ticks every few milliseconds: changes within one tick have the same time.
 */
export async function filesClockTicked(folder: string): Promise<void> {
  const time = async (): Promise<number> => {
    await writeFile(join(folder, 'clock'), '');
    return (await stat(join(folder, 'clock'))).ctimeMs;
  };
  for (const before = await time(); (await time()) === before;);
}
