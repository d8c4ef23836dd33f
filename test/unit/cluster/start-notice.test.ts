import { expect, it, onTestFinished, vi } from 'vitest';
import { StartNotice } from '../../../gateway/cluster/start-notice.ts';
import { logTo } from '../../helpers/log.ts';

it('logs what a start is waiting for, with the latest reason, every 5 s until it is closed', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const log: string[] = [];
  const notice = new StartNotice(logTo(log), 'no server answers', 20_000);
  vi.advanceTimersByTime(900);
  expect(log).toEqual([]);
  vi.advanceTimersByTime(100);
  notice.reason = 'refused';
  vi.advanceTimersByTime(10_000);
  expect(log.map((line) => line.replace(/^.*?: /, ''))).toEqual([
    'no server answers; trying for another 19 s, and no stream is served until then',
    'no server answers (refused); trying for another 14 s, and no stream is served until then',
    'no server answers (refused); trying for another 9 s, and no stream is served until then',
  ]);
  notice.close();
  vi.advanceTimersByTime(60_000);
  expect([log.length, vi.getTimerCount()]).toEqual([3, 0]);
});
