import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

const VARIABLE = 'GEARWAY_TEST_FAMILY';

/** Reading the environments of all processes of a machine takes up to 10 ms. */
const POLL_MS = 100;

/** A process of a {@link ProcessFamily}. */
export interface FamilyMember {
  readonly pid: number;
  readonly parent: number;
  /** Command line of the process, joined by spaces. */
  readonly command: string;
}

/**
 * All descendants of a process: they inherit an environment variable, even if intermediate processes have ended. Linux
 * only.
 */
export class ProcessFamily {
  readonly #mark = `${VARIABLE}=${randomUUID()}`;

  /** The environment for its first process. */
  environment(base: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
    return { ...base, [VARIABLE]: this.#mark.slice(VARIABLE.length + 1) };
  }

  /** The running members, without zombies. */
  members(): readonly FamilyMember[] {
    return readdirSync('/proc').flatMap((entry) => {
      if (!/^\d+$/.test(entry)) return [];
      try {
        if (!readFileSync(`/proc/${entry}/environ`, 'utf8').split('\0').includes(this.#mark)) return [];
        const [, state, parent] = /^\d+ \(.*\) (\S) (\d+)/s.exec(readFileSync(`/proc/${entry}/stat`, 'utf8')) ?? [];
        if (state === 'Z' || state === 'X') return [];
        return [
          {
            pid: Number(entry),
            parent: Number(parent),
            command: readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ').trim(),
          },
        ];
      } catch {
        return []; // The process has just ended.
      }
    });
  }

  /** Waits for a condition on its members. @throws with the present members after a timeout. */
  async until(what: string, fits: (members: readonly FamilyMember[]) => boolean, timeoutMs = 20_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!fits(this.members())) {
      if (performance.now() > deadline)
        throw new Error(
          `${what} did not happen within ${timeoutMs} ms; there are\n${this.members()
            .map(({ pid, parent, command }) => `${pid} (of ${parent}) ${command}`)
            .join('\n')}`,
        );
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Kills the remaining members. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { pid } of this.members()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // The process has just ended.
      }
    }
    await this.until('the end of all processes', (members) => members.length === 0);
  }
}
