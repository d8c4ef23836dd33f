import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Value } from '../../../../shared/protocol.ts';
import {
  ControlChannel,
  type ControlledViewer,
  REPEAT_MS,
  TIME_TO_LIVE_MS,
} from '../../../../web/devices/control-channel.ts';
import type { Device } from '../../../../web/devices/control-value.ts';
import { ReturnRefusedError } from '../../../../web/connection/return-body.ts';
import { GearwayFrameEvent } from '../../../../web/viewer/viewer-events.ts';

const FRAME = { sequence: 1, width: 8, height: 8, message: null, ageMs: 0, capturedAtMs: null, latencyMs: null };

interface Sent {
  readonly value: unknown;
  readonly ttlMs?: number;
  readonly urgent?: boolean;
}

/** A viewer that records return data. */
class RecordingViewer extends EventTarget {
  port: number | null = 6000;
  control: { readonly state: 'free' | 'mine' | 'taken' } | null = null;
  readonly sent: Sent[] = [];
  /** The result of the next values. */
  answer: () => Promise<void> = () => Promise.resolve();

  setReturnData(value: unknown, options: { ttlMs?: number; urgent?: boolean }): Promise<void> {
    this.sent.push({ value, ...options });
    return this.answer();
  }

  send(value: unknown, options: { ttlMs?: number }): Promise<void> {
    return this.setReturnData(value, options);
  }

  opens(): void {
    this.port = 6000;
    this.dispatchEvent(new Event('gearway-open'));
  }

  closes(): void {
    this.port = null;
    this.control = null;
    this.dispatchEvent(new Event('gearway-close'));
  }

  controls(state: 'free' | 'mine' | 'taken'): void {
    this.control = { state };
    this.dispatchEvent(new Event('gearway-control'));
  }

  /** @param text a large message as JSON, which is not read unless it may have a stop. */
  shows(message: Value, text: string | null = null): void {
    this.dispatchEvent(new GearwayFrameEvent({ ...FRAME, message }, text));
  }
}

class Stick implements Device {
  readonly name: string;
  value = 0;
  isHeld = false;
  isEnabled: boolean | null = null;
  channel: ControlChannel | null = null;

  constructor(name: string) {
    this.name = name;
  }

  hold(value: number): void {
    this.value = value;
    this.isHeld = true;
    this.channel?.changed();
  }

  release(): void {
    this.value = 0;
    this.isHeld = false;
  }

  enabledChanged(): void {
    this.isEnabled = this.channel?.isEnabled ?? null;
  }
}

describe('ControlChannel', () => {
  let viewer: RecordingViewer;
  let channel: ControlChannel;
  let page: { window: EventTarget; document: EventTarget };

  beforeEach(() => {
    vi.useFakeTimers();
    page = { window: new EventTarget(), document: new EventTarget() };
    vi.stubGlobal('window', page.window);
    vi.stubGlobal('document', page.document);
    viewer = new RecordingViewer();
    channel = ControlChannel.of(viewer as unknown as ControlledViewer);
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  const add = async (name: string): Promise<Stick> => {
    const stick = new Stick(name);
    stick.channel = channel;
    channel.add(stick);
    await vi.advanceTimersByTimeAsync(0);
    return stick;
  };
  const last = (): Sent | undefined => viewer.sent.at(-1);

  it('combines the values of all devices by name', async () => {
    channel.add(new Stick('x'));
    channel.add(new Stick('y'));
    await vi.advanceTimersByTimeAsync(0);
    expect(viewer.sent).toEqual([{ value: { x: 0, y: 0 } }]);
  });

  it.each(['x', 'stop'])('refuses a second device with the name %s', async (name) => {
    await add('x');
    expect(() => channel.add(new Stick(name))).toThrow(TypeError);
  });

  it('repeats the values with a time to live while a device is in use, but not afterwards', async () => {
    const stick = await add('x');
    viewer.sent.length = 0;
    stick.hold(1);
    expect(viewer.sent).toEqual([{ value: { x: 1 }, ttlMs: TIME_TO_LIVE_MS }]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(viewer.sent.length).toBeGreaterThanOrEqual(10);
    expect(viewer.sent.every(({ ttlMs }) => ttlMs === TIME_TO_LIVE_MS)).toBe(true);
    stick.release();
    channel.changed();
    expect(last()).toEqual({ value: { x: 0 } });
    const count = viewer.sent.length;
    await vi.advanceTimersByTimeAsync(1000);
    expect(viewer.sent).toHaveLength(count);
  });

  it('returns a value once, with those of the other devices and the time to live of devices in use', async () => {
    const stick = await add('x');
    const form = await add('y');
    viewer.sent.length = 0;
    await channel.sendOnce(form, 7);
    stick.hold(1);
    await channel.sendOnce(form, 8);
    expect(viewer.sent).toEqual([
      { value: { x: 0, y: 7 } },
      { value: { x: 1, y: 0 }, ttlMs: TIME_TO_LIVE_MS },
      { value: { x: 1, y: 8 }, ttlMs: TIME_TO_LIVE_MS },
    ]);
  });

  it('does not fill a stalled connection with repetitions, but sends changes', async () => {
    const stick = await add('x');
    viewer.answer = () => new Promise(() => undefined);
    viewer.sent.length = 0;
    stick.hold(1);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(viewer.sent.length * REPEAT_MS).toBeLessThanOrEqual(TIME_TO_LIVE_MS);
    stick.release();
    channel.changed();
    expect(last()).toEqual({ value: { x: 0 } });
  });

  it.each<[string, () => void]>([
    ['the window loses the focus', () => page.window.dispatchEvent(new Event('blur'))],
    ['the user leaves the page', () => page.window.dispatchEvent(new Event('pagehide'))],
    ['the page is hidden', () => page.document.dispatchEvent(new Event('visibilitychange'))],
    ['the page is frozen', () => page.document.dispatchEvent(new Event('freeze'))],
    ['the connection ends', () => viewer.closes()],
    ['the picture is too old', () => channel.block(viewer, true)],
    ['another client stops', () => viewer.shows({ stop: true })],
    ['another client stops, in a large message', () => viewer.shows(null, '{"stop":true}')],
    ['the stop is pressed', () => channel.stop()],
  ])('releases the devices when %s', async (_, happens) => {
    const stick = await add('x');
    stick.hold(1);
    happens();
    expect(stick.isHeld).toBe(false);
    expect(last()).toMatchObject({ value: { x: 0 } });
    expect(last()).not.toHaveProperty('ttlMs');
    const count = viewer.sent.length;
    await vi.advanceTimersByTimeAsync(1000);
    expect(viewer.sent).toHaveLength(count);
  });

  it('parses large messages with a stop only while they may change the state', () => {
    const parse = vi.spyOn(JSON, 'parse');
    const [text, stopped] = ['{"stop":false,"boxes":[]}', '{"stop":true,"boxes":[]}'];
    const parsed = (shown: string): number => {
      parse.mockClear();
      viewer.shows(null, shown);
      return parse.mock.calls.length;
    };
    const remove = channel.onStopState(() => undefined);
    expect([parsed(text), channel.stopState]).toEqual([0, 'ready']);
    // A key at another level, because of which the message must be parsed.
    expect([parsed('{"gate":{"stop":true}}'), channel.stopState]).toEqual([1, 'ready']);
    expect([parsed(stopped), channel.stopState]).toEqual([1, 'stopped']);
    expect([parsed(stopped), channel.stopState]).toEqual([0, 'stopped']);
    channel.stop();
    expect([parsed(text), channel.stopState]).toEqual([0, 'stopping']);
    expect([parsed(stopped), channel.stopState]).toEqual([1, 'stopped']);
    channel.clearStop();
    expect([parsed(stopped), channel.stopState]).toEqual([0, 'clearing']);
    expect([parsed(text), channel.stopState]).toEqual([1, 'ready']);
    remove();
    parse.mockRestore();
  });

  it('releases the devices when the viewer was removed, which it does not report', async () => {
    const stick = await add('x');
    stick.hold(1);
    viewer.port = null;
    await vi.advanceTimersByTimeAsync(REPEAT_MS);
    expect(stick.isHeld).toBe(false);
  });

  it('is enabled only with a port, and sends nothing before it has one', async () => {
    viewer.port = null;
    const stick = await add('x');
    expect(channel.isEnabled).toBe(false);
    stick.hold(1);
    expect(stick.isHeld).toBe(false);
    expect(viewer.sent).toEqual([]);
    viewer.opens();
    expect([channel.isEnabled, stick.isEnabled]).toEqual([true, true]);
    expect(viewer.sent).toEqual([{ value: { x: 0 } }]);
    viewer.closes();
    expect(stick.isEnabled).toBe(false);
  });

  it('is stopped until the picture is current again', async () => {
    const stick = await add('x');
    channel.block(viewer, true);
    stick.hold(1);
    expect([stick.isEnabled, stick.isHeld]).toEqual([false, false]);
    channel.stop();
    expect(last()).toEqual({ value: { x: 0, stop: true }, urgent: true });
    viewer.shows({ stop: true });
    channel.clearStop();
    viewer.shows({ stop: false });
    channel.block(viewer, false);
    expect(stick.isEnabled).toBe(true);
    stick.hold(1);
    expect(last()).toMatchObject({ value: { x: 1 } });
  });

  it('sends a stop ahead of other values until a reset is requested, and disables the devices until it is confirmed', async () => {
    const stick = await add('x');
    const states: string[] = [];
    channel.onStopState((state) => states.push(state));
    channel.stop();
    expect(last()).toEqual({ value: { x: 0, stop: true }, urgent: true });
    stick.hold(1);
    expect(stick.isHeld).toBe(false);
    viewer.shows({ stop: true });
    channel.clearStop();
    expect(last()).toEqual({ value: { x: 0, stop: false } });
    stick.hold(1);
    expect(stick.isHeld).toBe(false);
    viewer.shows({ stop: false });
    expect(last()).toEqual({ value: { x: 0 } });
    expect(states).toEqual(['stopping', 'stopped', 'clearing', 'ready']);
    stick.hold(1);
    expect(last()).toMatchObject({ value: { x: 1 } });
  });

  it('sends a stop again with each press, and keeps it for the next connection', async () => {
    await add('x');
    channel.stop();
    channel.stop();
    expect(viewer.sent.filter(({ urgent }) => urgent)).toHaveLength(2);
    viewer.port = null;
    viewer.sent.length = 0;
    channel.stop();
    expect(last()).toEqual({ value: { x: 0, stop: true }, urgent: true });
  });

  it('reports a refusal once, and sends the value again with the next change', async () => {
    const stick = await add('x');
    const codes: string[] = [];
    viewer.addEventListener('gearway-return-refused', (event) => codes.push((event as CustomEvent).detail.code));
    viewer.answer = () => Promise.reject(new ReturnRefusedError('not-allowed', ''));
    stick.hold(1);
    await vi.advanceTimersByTimeAsync(400);
    expect(codes).toEqual(['not-allowed']);
    stick.release();
    channel.changed();
    await vi.advanceTimersByTimeAsync(0);
    viewer.answer = () => Promise.resolve();
    channel.changed();
    expect(last()).toEqual({ value: { x: 0 } });
  });

  it('does not resume automatically after the page was frozen', async () => {
    const stick = await add('x');
    stick.hold(1);
    await vi.advanceTimersByTimeAsync(REPEAT_MS);
    vi.setSystemTime(Date.now() + TIME_TO_LIVE_MS + 1);
    viewer.sent.length = 0;
    await vi.advanceTimersByTimeAsync(REPEAT_MS);
    expect(stick.isHeld).toBe(false);
    expect(viewer.sent).toEqual([{ value: { x: 0 } }]);
    // This time, no movement is waiting when the page is frozen.
    stick.hold(1);
    vi.setSystemTime(Date.now() + TIME_TO_LIVE_MS + 1);
    stick.hold(0.5);
    expect(last()).toEqual({ value: { x: 0 } });
  });

  it('skips movements on a stalled connection, and sends the newest one when it continues', async () => {
    const stick = await add('x');
    const answers: (() => void)[] = [];
    viewer.answer = () => new Promise((resolve) => answers.push(resolve));
    viewer.sent.length = 0;
    for (let value = 1; value <= 100; value += 1) stick.hold(value);
    expect(viewer.sent.length * REPEAT_MS).toBeLessThanOrEqual(TIME_TO_LIVE_MS);
    answers.shift()?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(last()).toEqual({ value: { x: 100 }, ttlMs: TIME_TO_LIVE_MS });
    const count = viewer.sent.length;
    stick.release();
    channel.changed();
    channel.stop();
    expect(viewer.sent.slice(count)).toEqual([{ value: { x: 0 } }, { value: { x: 0, stop: true }, urgent: true }]);
  });

  it('sends a stop until it is accepted', async () => {
    await add('x');
    viewer.answer = () => Promise.reject(new ReturnRefusedError('too-many', ''));
    channel.stop();
    await vi.advanceTimersByTimeAsync(5 * REPEAT_MS);
    const stops = (): number => viewer.sent.filter(({ urgent }) => urgent === true).length;
    expect(stops()).toBeGreaterThanOrEqual(4);
    viewer.answer = () => Promise.resolve();
    await vi.advanceTimersByTimeAsync(REPEAT_MS);
    const count = stops();
    await vi.advanceTimersByTimeAsync(1000);
    expect(stops()).toBe(count);
  });

  it('does not repeat a stop that the viewer has no right to send until the connection changes', async () => {
    await add('x');
    viewer.answer = () => Promise.reject(new ReturnRefusedError('not-allowed', ''));
    channel.stop();
    await vi.advanceTimersByTimeAsync(1000);
    const stops = (): number => viewer.sent.filter(({ urgent }) => urgent === true).length;
    expect(stops()).toBe(1);
    viewer.opens();
    expect(stops()).toBe(2);
  });

  it.each<[string, () => Promise<unknown> | void]>([
    ['is not confirmed within three seconds', () => vi.advanceTimersByTimeAsync(3000)],
    ['is interrupted by the end of the connection', () => viewer.closes()],
  ])('stops requesting a reset that %s', async (_, happens) => {
    await add('x');
    channel.stop();
    viewer.shows({ stop: true });
    channel.clearStop();
    expect(last()).toMatchObject({ value: { stop: false } });
    await happens();
    expect(channel.stopState).toBe('stopped');
    expect(last()?.value).not.toHaveProperty('stop');
  });

  it('cannot be used without control, and sends only a stop, which it can withdraw', async () => {
    viewer.controls('taken');
    const stick = await add('x');
    expect(channel.isEnabled).toBe(false);
    stick.hold(1);
    expect([stick.isHeld, viewer.sent]).toEqual([false, []]);
    const seen: boolean[] = [];
    channel.onStopState(() => seen.push(channel.canClearStop));
    channel.stop();
    expect(viewer.sent).toEqual([{ value: { stop: true }, urgent: true }]);
    channel.clearStop();
    expect(viewer.sent).toHaveLength(1);
    viewer.shows({ stop: true });
    channel.clearStop();
    expect(last()).toEqual({ value: null });
    // The holder resets the server.
    expect([channel.stopState, channel.canClearStop, seen.at(-1)]).toEqual(['stopped', false, false]);
    viewer.shows({ stop: false });
    expect(channel.stopState).toBe('ready');
    expect(viewer.sent).toHaveLength(2);
  });

  it.each<[string, () => void]>([
    ['is handed over', () => viewer.controls('taken')],
    ['is taken away', () => viewer.controls('free')],
  ])('releases the devices when control %s, and requires a new input when it is taken again', async (_, happens) => {
    viewer.controls('mine');
    const stick = await add('x');
    stick.hold(1);
    expect(last()).toEqual({ value: { x: 1 }, ttlMs: TIME_TO_LIVE_MS });
    happens();
    expect([stick.isHeld, stick.isEnabled]).toEqual([false, false]);
    expect(last()).toEqual({ value: null });
    const count = viewer.sent.length;
    await vi.advanceTimersByTimeAsync(1000);
    expect(viewer.sent).toHaveLength(count);
    viewer.controls('mine');
    expect([stick.isHeld, stick.isEnabled, last()]).toEqual([false, true, { value: { x: 0 } }]);
  });

  it('keeps a stop when control is lost, and no longer requests a reset', async () => {
    viewer.controls('mine');
    await add('x');
    channel.stop();
    viewer.controls('taken');
    expect(last()).toEqual({ value: { stop: true }, urgent: true });
    viewer.shows({ stop: true });
    viewer.controls('mine');
    channel.clearStop();
    expect(last()).toEqual({ value: { x: 0, stop: false } });
    viewer.controls('free');
    expect([last(), channel.stopState]).toEqual([{ value: null }, 'stopped']);
  });

  it('removes its listeners without devices', async () => {
    const stick = await add('x');
    channel.remove(stick);
    expect(last()).toEqual({ value: null });
    const count = viewer.sent.length;
    page.window.dispatchEvent(new Event('blur'));
    viewer.opens();
    expect(viewer.sent).toHaveLength(count);
  });
});
