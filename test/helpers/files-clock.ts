import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Waits for the next tick of the clock for file times. It ticks every few milliseconds, and changes within one tick
 * have the same time.
 */
export async function filesClockTicked(folder: string): Promise<void> {
  const time = async (): Promise<number> => {
    await writeFile(join(folder, 'clock'), '');
    return (await stat(join(folder, 'clock'))).ctimeMs;
  };
  for (const before = await time(); (await time()) === before;);
}
