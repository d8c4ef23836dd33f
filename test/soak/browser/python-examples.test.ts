import axe from 'axe-core';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'puppeteer-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PythonExample } from '../../browser/python-example.ts';
import { sharedBrowser } from '../../helpers/browsers.ts';
import { stopProgram } from '../../helpers/child.ts';
import { WebViewer } from '../../helpers/web-viewer.ts';

const SOON = { timeout: 20_000 };

describe('examples/python', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await sharedBrowser('chromium');
  });
  afterAll(() => browser.close());

  it('detector.py sends boxes that match the frame', async () => {
    await using example = await PythonExample.open(browser, 'detector.py');
    type Message = { overlay: { box: [number, number, number, number]; class: string; score: number }[] };
    const seen = new Set<string>();
    while (seen.size < 3) {
      const { message, bytes } = await example.frame<Message>();
      const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
      /** Difference of a pixel's channels: the road is gray, and the targets are not. */
      const color = (x: number, y: number): number => {
        const at = (Math.round(y) * info.width + Math.round(x)) * 3;
        const levels = [data[at]!, data[at + 1]!, data[at + 2]!];
        return Math.max(...levels) - Math.min(...levels);
      };
      expect(message.overlay.length).toBeGreaterThan(0);
      for (const { box, class: name, score } of message.overlay) {
        const [x1, y1, x2, y2] = box;
        expect(score).toBeLessThanOrEqual(1);
        if (x1 === 0 || x2 === info.width) continue;
        expect(color((x1 + x2) / 2, (y1 + y2) / 2), `${name} inside`).toBeGreaterThan(40);
        for (const [x, y] of [
          [x1 + 3, y1 - 5],
          [x2 - 3, y2 + 5],
          [x1 - 5, y1 + 5],
          [x2 + 5, y1 + 5],
        ] as const)
          expect(color(x, y), `${name} beside`).toBeLessThan(30);
        seen.add(name);
      }
    }
    expect([...seen].sort()).toEqual(['bike', 'car', 'truck']);
    expect(await example.view.read('overlayProblem')).toBeNull();
  });

  it('depth_camera.py sends millimetres, and 0 where nothing was measured', async () => {
    await using example = await PythonExample.open(browser, 'depth_camera.py');
    await expect
      .poll(() => example.view.read('shownArray'), SOON)
      .toMatchObject({ dtype: 'uint16', low: 1000, high: 5500 });
    const { message, bytes } = await example.frame<{ nearest: number }>();
    const depth = new Uint16Array(new Uint8Array(bytes).buffer);
    expect(depth).toHaveLength(320 * 240);
    const measured = depth.filter((value) => value > 0);
    expect(measured.length / depth.length).toBeGreaterThan(0.7);
    expect(measured.length / depth.length).toBeLessThan(0.999);
    expect(Math.min(...measured)).toBe(message.nearest);
    expect(Math.max(...measured)).toBeLessThanOrEqual(6000);
    // The floor is 0.9 m below the camera. The ball may hide it for a while.
    const onFloor = (): Promise<(string | undefined)[]> =>
      example.view.page.evaluate(async () => {
        const viewer = document.querySelector('gearway-viewer')!;
        const found = await viewer.inspectDistance({ x: 40, y: 205 }, { x: 40, y: 230 });
        return [found?.from.position?.[1], found?.to.position?.[1], found?.meters].map((value) => value?.toFixed(1));
      });
    await expect
      .poll(onFloor, SOON)
      .toEqual(['0.9', '0.9', (0.9 * 260 * (1 / 85 - 1 / 110) * Math.hypot(1, 120 / 260)).toFixed(1)]);
  });

  it('click_to_label.py stores shapes from the browser with the frame that was on screen', async () => {
    await using example = await PythonExample.open(browser, 'click_to_label.py');
    const { page } = example.view;
    await page.waitForFunction(
      () =>
        document.querySelector('gearway-pointer')!.isUsable &&
        document.querySelector('gearway-viewer')!.toClient(0, 0) !== null,
    );
    const at = (x: number, y: number): Promise<{ x: number; y: number }> =>
      page.evaluate((pixelX, pixelY) => document.querySelector('gearway-viewer')!.toClient(pixelX, pixelY)!, x, y);
    const label = (name: string): Promise<{ picture: string | null; box?: number[]; points?: number[][] }> =>
      example.program.stdout.waitFor(`a label ${name}`, (line) =>
        line.includes(`"class": "${name}"`) ? (JSON.parse(line) as { picture: string | null }) : undefined,
      );
    const [from, to] = [await at(100, 120), await at(220, 200)];
    await page.mouse.move(from.x, from.y);
    await page.mouse.down();
    await page.mouse.move(to.x, to.y, { steps: 3 });
    await page.mouse.up();
    const screw = await label('screw');
    for (const [index, expected] of [100, 120, 220, 200].entries())
      expect(Math.abs(screw.box![index]! - expected)).toBeLessThan(1);
    const saved = await sharp(join(example.folder, screw.picture!)).metadata();
    expect([saved.width, saved.height]).toEqual([640, 480]);
    await page.click('[name=nut] >>> button');
    await page.mouse.click(from.x, from.y);
    expect((await label('nut')).points![0]![0]).toBeCloseTo(100, 0);
    expect((await readFile(join(example.folder, 'labels.jsonl'), 'utf8')).trim().split('\n')).toHaveLength(2);
    // The labels are drawn in all browsers.
    await page.waitForFunction(() => document.querySelector('gearway-viewer')!.overlayProblem === null);
    await expect
      .poll(async () => (await example.frame<{ overlay: unknown[] }>()).message.overlay, SOON)
      .toMatchObject([{ class: 'screw' }, { class: 'nut' }]);

    // Another viewer returns a value that is not a shape.
    await using stray = await WebViewer.open(`${await example.gateway.url}/streams/main`);
    for (const value of ['text', { nut: { points: 1 } }, { nut: { box: [], capturedAtMs: [] } }, { nut: null }])
      await stray.return({ kind: 'value', value });
    const count = stray.messages.length;
    await expect.poll(() => stray.messages.length, SOON).toBeGreaterThan(count + 10);
  });

  it('driven_robot.py is driven by dashboard.html, stops, and does not move without a gateway', async () => {
    await using example = await PythonExample.open(browser, 'driven_robot.py');
    const { page } = example.view;
    type Pose = { x: number; y: number; heading: number };
    const pose = async (): Promise<Pose> => (await example.frame<{ pose: Pose }>()).message.pose;
    /** Waits for a few frames, in which a driven robot would move. */
    const moves = async (): Promise<boolean> => {
      const before = await pose();
      await page.evaluate(async () => {
        const viewer = document.querySelector('gearway-viewer')!;
        for (let count = 0; count < 8; count += 1)
          await new Promise((resolve) => viewer.addEventListener('gearway-frame', resolve, { once: true }));
      });
      return JSON.stringify(await pose()) !== JSON.stringify(before);
    };
    const centre = async (selector: string): Promise<{ x: number; y: number }> => {
      const { x, y, width, height } = (await (await page.$(selector))!.boundingBox())!;
      return { x: x + width / 2, y: y + height / 2 };
    };
    // A busy machine must not release the devices.
    await page.evaluate(() => void (document.querySelector('gearway-latency')!.maxLatency = 20_000));
    const isUsable = async (): Promise<void> =>
      void (await page.waitForFunction(() => document.querySelector('gearway-joystick')!.isUsable));
    await isUsable();
    const stick = await centre('gearway-joystick');
    const hold = async (right: number, up: number): Promise<void> => {
      await isUsable();
      await page.mouse.move(stick.x, stick.y);
      await page.mouse.down();
      await page.mouse.move(stick.x + right, stick.y - up);
    };

    expect(await moves()).toBe(false);
    await hold(0, 50);
    await expect.poll(async () => (await pose()).y, SOON).toBeLessThan(230);
    await page.mouse.up();
    await expect.poll(moves, SOON).toBe(false);

    await page.click('gearway-pointer >>> button');
    const viewer = await centre('gearway-viewer');
    await page.mouse.click(viewer.x, viewer.y);
    type Goals = { overlay: { points: [[number, number]]; label: string }[] };
    await expect
      .poll(async () => (await example.frame<Goals>()).message.overlay, SOON)
      .toMatchObject([{ label: 'Goal' }]);
    const [goal] = (await example.frame<Goals>()).message.overlay;
    expect(Math.hypot(goal!.points[0][0] - 320, goal!.points[0][1] - 240)).toBeLessThan(1.5);
    expect(await example.view.read('overlayProblem')).toBeNull();

    // Values that are not numbers or not commands.
    await using stray = await WebViewer.open(`${await example.gateway.url}/streams/main`);
    for (const stickValue of [{ x: NaN, y: Infinity }, { x: 10n ** 400n, y: 'up' }, { x: [1], y: null }, 'forward'])
      await stray.return({ kind: 'value', value: { stick: stickValue, stop: 'maybe', goal: 7 } });
    expect(await moves()).toBe(false);
    await stray[Symbol.asyncDispose]();

    const state = (): Promise<string> => page.evaluate(() => document.querySelector('gearway-stop')!.state);
    await hold(50, 0);
    await page.evaluate(() => document.querySelector('gearway-stop')!.stop());
    await expect.poll(state, SOON).toBe('stopped');
    await expect.poll(moves, SOON).toBe(false);
    await page.mouse.up();
    await page.evaluate(() => document.querySelector('gearway-stop')!.clear());
    await expect.poll(state, SOON).toBe('ready');

    // The robot turns by 143° per second.
    await hold(50, 0);
    await expect.poll(moves, SOON).toBe(true);
    await stopProgram(example.gateway);
    const before = await pose();
    await page.mouse.up();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    example.gateway.signal('SIGCONT');
    await page.evaluate(
      () =>
        new Promise((resolve) =>
          document.querySelector('gearway-viewer')!.addEventListener('gearway-frame', resolve, { once: true }),
        ),
    );
    await expect.poll(moves, SOON).toBe(false);
    expect(((await pose()).heading - before.heading + 360) % 360).toBeLessThan(140);

    await page.evaluate(axe.source);
    const violations = await page.evaluate(() =>
      (window as unknown as { axe: typeof axe }).axe
        .run('aside, gearway-stop, gearway-viewer')
        .then((result) => result.violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ''}`)),
    );
    expect(violations).toEqual([]);
  });
});
