import { GearwayError } from '../../../shared/errors.ts';
import { type FfmpegVersion, isAtLeast, OLDEST, parseFfmpegVersion } from './ffmpeg-version.ts';
import { installCommand } from './install-command.ts';
import { ProcessGuard } from './process-guard.ts';
import { type RunOptions, type RunResult, runProgram } from './run-program.ts';

const VERSION_TIMEOUT_MS = 10_000;

/** What runs FFmpeg and its like for a gateway: the programs of the PATH, and the guard that all of them share. */
export class FfmpegTools {
  readonly platform: NodeJS.Platform;
  readonly guard = new ProcessGuard();
  #version: Promise<FfmpegVersion> | null = null;

  /** @param platform as node:os names it. */
  constructor(platform: NodeJS.Platform) {
    this.platform = platform;
  }

  run(command: string, args: readonly string[], options: Pick<RunOptions, 'timeoutMs' | 'signal' | 'input'>): Promise<RunResult> {
    return runProgram({ ...options, command, args, guard: this.guard });
  }

  /**
   * FFmpeg's version, asked for once; again when it was not there, since it may have been installed.
   *
   * @throws {GearwayError} `ffmpeg-missing`, `ffmpeg-too-old`, with the command that mends it.
   */
  version(): Promise<FfmpegVersion> {
    this.#version ??= this.#askVersion().catch((error: unknown) => {
      this.#version = null;
      throw error;
    });
    return this.#version;
  }

  async #askVersion(): Promise<FfmpegVersion> {
    const { end, output, errorLines } = await this.run('ffmpeg', ['-version'], { timeoutMs: VERSION_TIMEOUT_MS });
    const install = installCommand(this.platform);
    if (end.kind === 'missing') throw new GearwayError('ffmpeg-missing', `ffmpeg is not installed, or not on the PATH; install it with: ${install}`);
    const version = parseFfmpegVersion(output);
    if (version === null) throw new GearwayError('ffmpeg-missing', `ffmpeg does not run (${errorLines.at(-1) ?? 'it says nothing'}); install it anew with: ${install}`);
    if (!isAtLeast(version, OLDEST)) throw new GearwayError('ffmpeg-too-old', `ffmpeg is version ${version.major}.${version.minor}, expected ${OLDEST.major}.${OLDEST.minor} or newer; install that with: ${install}`);
    return version;
  }
}
