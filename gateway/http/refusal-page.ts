import { createHash } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import { cleanText } from '../../shared/clean-text.ts';

/** A refusal, shown to people as a page and to programs as JSON. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  /** One sentence without a full stop: the problem and the remedy. */
  readonly message: string;
  /** Command-line options that would allow the request; shown one per line. */
  readonly options?: readonly string[];
}

/** Style of pages without scripts. */
// Copies of the colours and sizes in web/pages/shared/tokens.css, because the page must not load anything.
export const PAGE_STYLE = `
:root { color-scheme: light dark; --bg: light-dark(#f5f7f9, #0d1117); --surface: light-dark(#fff, #141a22); --line: light-dark(#e0e5eb, #252e3a); --text: light-dark(#16202c, #e7ecf2); --dim: light-dark(#5a6776, #8e9bab); --accent: light-dark(#0b6cb0, #4db8ff) }
* { box-sizing: border-box; margin: 0 }
body { min-height: 100vh; display: grid; place-items: center; padding: 24px; background: var(--bg); color: var(--text); font: 400 0.9375rem/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif }
main { width: 100%; max-width: 560px; display: grid; gap: 16px; padding: 24px; background: var(--surface); border: 1px solid var(--line); border-radius: 10px }
header { display: flex; align-items: center; gap: 8px; font-weight: 600; letter-spacing: -0.01em }
svg { color: var(--accent) }
h1, h2, h3 { font-weight: 600 }
h1 { font-size: 1.125rem; line-height: 1.35 }
p { overflow-wrap: anywhere }
pre { padding: 12px; overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; background: var(--bg); font: 0.8125rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; white-space: pre-wrap; overflow-wrap: anywhere }
small { color: var(--dim); font-size: 0.8125rem }
`;

/** The logo as SVG. */
export const PAGE_MARK =
  '<svg width="22" height="22" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true"><rect x="2.5" y="5" width="12" height="14" rx="2.5"/><path d="M14.5 10l7-4v12l-7-4" stroke-linejoin="round"/></svg>';

const TITLES: ReadonlyMap<string, string> = new Map([
  ['host-unknown', 'Unknown host name'],
  ['origin-not-allowed', 'This page is not allowed to use the gateway'],
  ['frame-not-allowed', 'This page cannot be shown in a frame here'],
  ['not-found', 'Page not found'],
  ['token-required', 'A token is required'],
  ['not-allowed', 'Not allowed'],
]);

/**
 * Content security policy of a page that has only its own style sheet. Any site may frame it, because it has no
 * controls.
 */
export function pagePolicy(style: string): string {
  return `default-src 'none'; img-src data:; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; form-action 'none'`;
}

export const REFUSAL_PAGE_POLICY = pagePolicy(PAGE_STYLE);

/** Creates the HTML page for a refusal. All texts are escaped, and nothing is loaded. */
export function refusalPage({ status, code, message, options = [] }: Refusal): string {
  const title = TITLES.get(code) ?? STATUS_CODES[status] ?? 'Refused';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} · Gearway</title>
<link rel="icon" href="data:,">
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
<header>${PAGE_MARK}Gearway</header>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(`${message.charAt(0).toUpperCase()}${message.slice(1)}.`)}</p>
${options.length === 0 ? '' : `<pre>${options.map((option) => `<code>${escapeHtml(option)}</code>`).join('\n')}</pre>\n`}<small>${status} ${escapeHtml(code)}</small>
</main>
</body>
</html>
`;
}

/** Whether an Accept header prefers HTML to JSON, as when a browser shows the response to a person. */
export function prefersHtml(accept: string | undefined): boolean {
  const quality = (type: string): number => {
    for (const range of accept?.split(',') ?? []) {
      const [name = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
      if (name !== type) continue;
      const q = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1');
      return q >= 0 && q <= 1 ? q : 0;
    }
    return 0;
  };
  return quality('text/html') > quality('application/json');
}

/** Cleans a text, and escapes it for HTML. */
export function escapeHtml(text: string): string {
  return cleanText(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
