import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../helpers/free-port.ts';
import { alternate, type BenchEffort } from './bench.ts';
import { Go2rtc } from './go2rtc.ts';
import type { MjpegSource } from './mjpeg-source.ts';
import type { MjpegViewers } from './mjpeg-viewers.ts';
import { BenchProcess } from './processes.ts';
import { startPython } from './python.ts';
import type { Line, Target } from './report.ts';
import { requireFrames } from './statistics.ts';
import { PAYLOAD_BYTES } from './wire.ts';

/** Time to settle, because WebGear has to encode its first frames. */
const SETTLE_MS = 1000;

/**
 * Total rate of other servers with the same number of viewers, for frames of the same size as MJPEG over HTTP: WebGear
 * with its defaults, which encodes for each viewer; WebGear with pre-encoded frames; go2rtc, if it is installed.
 *
 * @param gateway measures the rate of the gateway, over WebSockets.
 */
export async function compareWithMjpegServers(
  gateway: () => Promise<number>,
  viewers: number,
  { rounds, seconds }: BenchEffort,
): Promise<{ line: Line; notes: string[] }> {
  const [webGearPort = 0, readyMadePort = 0, go2rtcPort = 0] = await freePorts(3);
  const picture = { width: 1280, height: 720, kilobytes: PAYLOAD_BYTES / 1000, fps: null };
  await using webGear = startPython('webgear_server.py', { ...picture, port: webGearPort });
  await using readyMade = startPython('webgear_server.py', { ...picture, port: readyMadePort, ready_made: true });
  await using source = new BenchProcess<MjpegSource>('./mjpeg-source.ts');
  await using process = new BenchProcess<MjpegViewers>('./mjpeg-viewers.ts');
  await using go2rtc = Go2rtc.isThere()
    ? new Go2rtc({ ports: { api: go2rtcPort }, source: `http://127.0.0.1:${await source.ask('listen')}/` })
    : null;
  const urls = {
    WebGear: `${(await webGear.waitFor<{ url: string }>('ready')).url}/video`,
    'WebGear, ready-made': `${(await readyMade.waitFor<{ url: string }>('ready')).url}/video`,
    ...(go2rtc === null ? {} : { go2rtc: `${await go2rtc.ready()}/api/stream.mjpeg?src=main` }),
  };
  const others = Object.entries(urls).map(
    ([name, url]) => [name, () => measure(process, url, viewers, seconds)] as const,
  );
  const measured = await alternate<string, number>(rounds, { Gearway: gateway, ...Object.fromEntries(others) });
  const targets: Target[] = [{ is: 'ratio', to: 'WebGear', atLeast: 20 }];
  if (go2rtc !== null) targets.push({ is: 'ratio', to: 'go2rtc', atLeast: 1 });
  return {
    line: {
      what: `${viewers} viewers in total, compared with MJPEG servers`,
      unit: 'fps',
      series: Object.entries(measured).map(([name, values]) => ({ name, values })),
      targets,
    },
    notes: go2rtc === null ? ['go2rtc is not on the PATH, and was not measured.'] : [],
  };
}

/** Total rate. */
async function measure(
  process: BenchProcess<MjpegViewers>,
  url: string,
  viewers: number,
  seconds: number,
): Promise<number> {
  await process.ask('connect', url, viewers);
  await delay(SETTLE_MS);
  await process.ask('start');
  await delay(seconds * 1000);
  const { frames, elapsedMs } = await process.ask('stop');
  await process.ask('disconnect');
  requireFrames(frames);
  return (frames * 1000) / elapsedMs;
}
