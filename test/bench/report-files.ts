import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Report } from './report.ts';
import { plotReport } from './report-plot.ts';
import { formatMarkdown } from './report-text.ts';

/** Folder for figures and profiles; not under version control. */
export const ARTIFACTS = fileURLToPath(new URL('../.artifacts/', import.meta.url));

const DOCS = fileURLToPath(new URL('../../docs/', import.meta.url));

/** Writes all measurements. @returns the path of the file. */
export async function writeFigures(name: string, machine: string, report: Report): Promise<string> {
  await mkdir(ARTIFACTS, { recursive: true });
  await writeFile(`${ARTIFACTS}bench-${name}.svg`, plotReport(name, report));
  const path = `${ARTIFACTS}bench-${name}.json`;
  await writeFile(path, `${JSON.stringify({ machine, ...report }, null, 2)}\n`);
  return path;
}

/**
 * Replaces the benchmark's plot, and its table between the marks of docs/performance.md.
 *
 * @throws if the marks are missing.
 */
export async function writeDocs(name: string, machine: string, report: Report): Promise<void> {
  await mkdir(`${DOCS}images`, { recursive: true });
  await writeFile(`${DOCS}images/bench-${name}.svg`, plotReport(name, report));
  const path = `${DOCS}performance.md`;
  const page = await readFile(path, 'utf8');
  const [begin, end] = [`<!-- bench:${name} -->\n`, `<!-- /bench:${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to < from)
    throw new Error(`${path} has no ${begin.trim()} … ${end}: add them where the table belongs`);
  await writeFile(
    path,
    page.slice(0, from + begin.length) +
      `![${name}](images/bench-${name}.svg)\n\n${formatMarkdown(report, machine)}` +
      page.slice(to),
  );
}
