import { matroskaFrameHead, matroskaHead } from '../../gateway/renditions/matroska-writer.ts';
import { Child } from '../helpers/child.ts';
import { FILM } from './film.ts';
import { endWithBench } from './processes.ts';

/** Length of the rate control's buffer in seconds: a key frame takes at most this long at the bit rate. */
const BUFFER_SECONDS = 0.2;

/**
 * FFmpeg that publishes JPEGs as H.264 to an RTSP server. The encoder's options are those of go2rtc's own template for
 * H.264, with a bit rate and one key frame per second, for which a new viewer has to wait. The options of the input are
 * those of the gateway's encoders.
 */
export class FilmPublisher {
  readonly #child: Child;
  readonly #startedAtMs = performance.now();

  constructor(url: string, bitsPerSecond: number) {
    const rate = String(bitsPerSecond);
    const options = {
      input: '-probesize 32 -analyzeduration 0 -fpsprobesize 0 -threads 1 -flags low_delay -f matroska -i pipe:0 -an',
      encoder: '-c:v libx264 -profile:v high -level:v 4.1 -preset:v superfast -tune:v zerolatency -pix_fmt:v yuv420p',
      rate: `-g ${FILM.fps} -b:v ${rate} -maxrate ${rate} -bufsize ${bitsPerSecond * BUFFER_SECONDS}`,
      colours: '-colorspace smpte170m -color_primaries smpte170m -color_trc smpte170m',
      output: '-fps_mode passthrough -flush_packets 1 -rtsp_transport tcp -f rtsp',
    };
    this.#child = endWithBench(
      new Child('ffmpeg', ['-hide_banner', '-loglevel', 'error', ...Object.values(options).join(' ').split(' '), url]),
    );
    this.#child.stdin.on('error', () => undefined); // The page then shows nothing, which is reported.
    this.#child.stdin.write(matroskaHead({ width: FILM.width, height: FILM.height, framesPerSecond: FILM.fps }));
  }

  send(jpeg: Buffer): Promise<void> {
    this.#child.stdin.write(matroskaFrameHead(Math.round(performance.now() - this.#startedAtMs), jpeg.byteLength));
    this.#child.stdin.write(jpeg);
    return Promise.resolve();
  }

  async close(): Promise<void> {
    this.#child.stdin.end();
    await this.#child.exited;
  }
}
