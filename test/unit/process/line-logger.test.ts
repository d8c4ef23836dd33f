import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { CleanLogger } from '../../../gateway/process/clean-logger.ts';
import { LineLogger, type LineLoggerSettings } from '../../../gateway/process/line-logger.ts';
import { LOG_LEVELS, type Logger } from '../../../shared/logger.ts';

/** A logger with its lines. */
function create(settings: Partial<LineLoggerSettings> = {}): {
  log: Logger;
  lines: string[];
  settings: LineLoggerSettings;
} {
  const lines: string[] = [];
  const all: LineLoggerSettings = { hasTime: false, ...settings };
  return { log: new LineLogger((line) => lines.push(line), all), lines, settings: all };
}

describe('LineLogger', () => {
  it('writes human-readable text: the level unless it is info, the subject, and the message', () => {
    const { log, lines } = create({ level: 'debug' });
    log.info({ peer: '192.0.2.1' }, 'a client');
    log.child({ stream: 'door' }).warn({ port: 6000 }, 'a warning');
    log.child({ component: 'cluster' }).child({ stream: 'door' }).error({}, 'an error');
    log.debug({ webhook: 'ops' }, 'a detail');
    expect(lines).toEqual([
      'a client',
      'warning: stream door: a warning',
      'error: cluster: stream door: an error',
      'debug: webhook ops: a detail',
    ]);
  });

  it('writes one JSON object per line, with the fields', () => {
    const { log, lines } = create({ format: 'json' });
    log.child({ stream: 'door' }).warn({ port: 6000, peer: 'phone "1" (192.0.2.1)' }, 'a\nwarning');
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain('\n');
    const { time, ...rest } = JSON.parse(lines[0]!) as Record<string, unknown>;
    expect(new Date(String(time)).toISOString()).toBe(time);
    expect(rest).toEqual({
      level: 'warn',
      stream: 'door',
      port: 6000,
      peer: 'phone "1" (192.0.2.1)',
      msg: 'a\nwarning',
    });
  });

  it('begins lines of text with the time if requested', () => {
    const { log, lines } = create({ hasTime: true });
    log.error({}, 'an error');
    expect(lines).toEqual([expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z error: an error$/)]);
  });

  it('begins lines with their priority for the journal', () => {
    const { log, lines } = create({ hasPriority: true, level: 'debug' });
    for (const level of LOG_LEVELS) log[level]({}, level);
    expect(lines).toEqual(['<3>error: error', '<4>warning: warn', '<6>info', '<7>debug: debug']);
  });

  it.each(LOG_LEVELS)('discards entries below the level %s, including in existing loggers', (level) => {
    const { log, lines, settings } = create({ level: 'debug' });
    const child = log.child({ stream: 'door' });
    settings.level = level;
    for (const each of LOG_LEVELS) child[each]({}, each);
    expect(lines).toHaveLength(LOG_LEVELS.indexOf(level) + 1);
  });

  it('has the level info by default', () => {
    const { log, lines } = create();
    log.info({}, 'shown');
    log.debug({}, 'hidden');
    expect(lines).toEqual(['shown']);
  });
});

describe('CleanLogger', () => {
  const UNSAFE = 'one\r\ntwo\u001B[2J\u202E\u200B';

  it.each(LOG_LEVELS)('removes control and formatting characters from entries of the level %s', (level) => {
    const { log, lines } = create({ level: 'debug', format: 'json' });
    new CleanLogger(log).child({ peer: UNSAFE })[level]({ client: UNSAFE, port: 1 }, UNSAFE);
    expect(JSON.parse(lines[0]!)).toMatchObject({
      level,
      peer: 'one two [2J',
      client: 'one two [2J',
      port: 1,
      msg: 'one two [2J',
    });
  });

  it('limits the length of messages', () => {
    const { log, lines } = create();
    new CleanLogger(log).info({}, 'x'.repeat(100_000));
    expect(lines[0]).toHaveLength(2000);
  });

  it('accepts a logger of pino', () => {
    const lines: string[] = [];
    const log = new CleanLogger(pino({ level: 'info' }, { write: (line: string) => void lines.push(line) }));
    log.child({ stream: 'door' }).warn({ port: 6000 }, '100 %s\nlines');
    log.debug({}, 'hidden');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({ level: 40, stream: 'door', port: 6000, msg: '100 %s lines' }),
    ]);
  });
});
