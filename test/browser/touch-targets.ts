import type { Page } from 'puppeteer-core';

/** Minimum width and height of an element for a finger, in CSS px. */
const MIN_PX = 44;

/** Elements of a page, including those in shadow roots, that can be pressed and are too small for a finger. */
export function smallTargets(page: Page): Promise<string[]> {
  return page.evaluate((minPx) => {
    const small: string[] = [];
    const visit = (root: ParentNode): void => {
      for (const element of root.querySelectorAll<HTMLElement>('*')) {
        if (element.shadowRoot !== null) visit(element.shadowRoot);
        if (!element.matches('button, a[href], input, select, textarea, summary')) continue;
        const { display } = getComputedStyle(element);
        // A link within a sentence is exempt. A check box counts as large as its label.
        if (!element.checkVisibility() || (element.matches('a') && display === 'inline')) continue;
        const target = element.matches('[type=checkbox]') ? (element.closest('label') ?? element) : element;
        const { width, height } = target.getBoundingClientRect();
        const name = element.getAttribute('aria-label') ?? element.textContent.trim();
        if (width < minPx || height < minPx) small.push(`${element.localName} ${name} ${width}x${height}`);
      }
    };
    visit(document);
    return small;
  }, MIN_PX);
}
