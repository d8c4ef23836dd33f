import { GearwayError } from '../../../shared/errors.ts';
import { type FfmpegVersion, isAtLeast, OLDEST, parseFfmpegVersion } from './ffmpeg-version.ts';
import { installCommand } from './install-command.ts';
import { ProcessGuard } from './process-guard.ts';
import { type RunOptions, type RunResult, runProgram } from './run-program.ts';

const VERSION_TIMEOUT_MS = 10_000;

/** Runs FFmpeg and similar programs from the PATH, with a shared process guard. */
export class FfmpegTools {
  readonly platform: NodeJS.Platform;
  readonly guard = new ProcessGuard();
  #version: Promise<FfmpegVersion> | null = null;

  /** @param platform as returned by node:os. */
  constructor(platform: NodeJS.Platform) {
    this.platform = platform;
  }

  run(
    command: string,
    args: readonly string[],
    options: Pick<RunOptions, 'timeoutMs' | 'signal' | 'input'>,
  ): Promise<RunResult> {
    return runProgram({ ...options, command, args, guard: this.guard });
  }

  /**
   * FFmpeg's version. Cached, except for failures, because it may be installed in the meantime.
   *
   * @throws {GearwayError} `ffmpeg-missing`, `ffmpeg-too-old`, with the command that installs it.
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
    if (end.kind === 'missing')
      throw new GearwayError(
        'ffmpeg-missing',
        `ffmpeg is not installed, or not in the PATH; install it with: ${install}`,
      );
    const version = parseFfmpegVersion(output);
    if (version === null)
      throw new GearwayError(
        'ffmpeg-missing',
        `ffmpeg does not run (${errorLines.at(-1) ?? 'no output'}); reinstall it with: ${install}`,
      );
    if (!isAtLeast(version, OLDEST)) {
      const text = `ffmpeg is version ${version.major}.${version.minor}, expected ${OLDEST.major}.${OLDEST.minor} or newer`;
      throw new GearwayError('ffmpeg-too-old', `${text}; update it with: ${install}`);
    }
    return version;
  }
}
