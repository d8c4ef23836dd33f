import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'puppeteer-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/**
 * Violations that axe-core finds in a page, each with its rule, elements and problems.
 *
 * @param within selector of the part that is checked. Default: the page.
 */
export async function violations(page: Page, within?: string): Promise<string[]> {
  if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(AXE);
  const found = (await page.evaluate(
    `axe.run(${within === undefined ? '' : JSON.stringify(within)}).then(({ violations }) => violations)`,
  )) as readonly Violation[];
  return found.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('\n')}`,
  );
}
