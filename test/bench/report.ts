import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Summary } from './statistics.ts';

/** Where figures and profiles go; not under version control. */
export const ARTIFACTS = fileURLToPath(new URL('../.artifacts/', import.meta.url));

/** What the figures were measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  /** Mean number of runnable processes over the minute before: a quiet machine has about 0. */
  readonly load: number;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${type()} ${release()}`,
    node: process.version,
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

export function formatMachine({ cpu, cores, memoryBytes, system, node, load }: Machine): string {
  return `${cpu}, ${cores} cores, ${(memoryBytes / 2 ** 30).toFixed(1)} GiB, ${system}, Node ${node}, load ${load} at the start`;
}

/** Columns as wide as their widest cell; the first row is the heading. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd());
  lines.splice(1, 0, widths.map((width) => '─'.repeat(width)).join('  '));
  return lines.join('\n');
}

/** Median and, in brackets, the quartiles. */
export function formatSpread({ median, lowerQuartile, upperQuartile }: Summary, digits = 0): string {
  return `${format(median, digits)} (${format(lowerQuartile, digits)}–${format(upperQuartile, digits)})`;
}

/** Median and, in brackets, its interval. */
export function formatRatio({ median, interval }: Summary): string {
  return `${format(median, 2)} [${format(interval.low, 2)}–${format(interval.high, 2)}]`;
}

export function formatPercent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function format(value: number, digits: number): string {
  // Thin spaces would not line up in a terminal.
  return value.toFixed(digits).replace(/\B(?=(\d{3})+$)/, ' ');
}

/** @returns the file's path. */
export async function writeFigures(name: string, figures: unknown): Promise<string> {
  await mkdir(ARTIFACTS, { recursive: true });
  const path = `${ARTIFACTS}bench-${name}.json`;
  await writeFile(path, `${JSON.stringify(figures, null, 2)}\n`);
  return path;
}
