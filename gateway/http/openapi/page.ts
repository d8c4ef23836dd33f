import { escapeHtml, PAGE_MARK, PAGE_STYLE, pagePolicy } from '../refusal-page.ts';
import type { RouteRights } from '../rights.ts';
import { type DescribedRoute, describeRoutes } from './document.ts';

const STYLE = `${PAGE_STYLE}
body { place-items: start center }
main { max-width: 860px }
h1 { font-size: 1.5rem }
h2 { font-size: 1.125rem; padding-top: 8px }
section { display: grid; gap: 8px; padding-top: 12px; border-top: 1px solid var(--line) }
h3 { font: 600 0.8125rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; overflow-wrap: anywhere }
table { width: 100%; border-collapse: collapse; font-size: 0.8125rem }
th, td { padding: 4px 12px 4px 0; text-align: start; vertical-align: top; overflow-wrap: anywhere }
td:first-child { white-space: nowrap }
th { color: var(--dim); font-weight: 400 }
a { color: var(--accent) }
`;

/** Content security policy of the page: it may load only its own style sheet. */
export const API_PAGE_POLICY = pagePolicy(STYLE);

/** The API as an HTML page, generated from the same descriptions as the OpenAPI document. The page loads nothing. */
export function apiPage(routes: readonly RouteRights[]): string {
  const described = describeRoutes(routes);
  const tags = [...new Set(described.map(({ operation }) => operation.tag))];
  const groups = tags.map(
    (tag) =>
      `<h2>${tag}</h2>\n${described
        .filter(({ operation }) => operation.tag === tag)
        .map(section)
        .join('\n')}`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>HTTP API · Gearway</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main>
<header>${PAGE_MARK}Gearway</header>
<h1>HTTP API</h1>
<p>The API is also described in <a href="openapi.json">OpenAPI 3.1</a>, for client generators. Send a token as <code>Authorization: Bearer TOKEN</code>. Every refusal is <code>{"code", "message"}</code>.</p>
${groups.join('\n')}
</main>
</body>
</html>
`;
}

function section({ method, url, right, basic, operation }: DescribedRoute): string {
  const { summary, description, query = {}, headers = {}, body, responses } = operation;
  const rows: [name: string, meaning: string][] = [
    ['Right', right === 'public' ? 'none' : `${right}${basic ? ' (also as a password)' : ''}`],
    ...Object.entries({ ...query, ...headers }).map(([name, parameter]): [string, string] => [
      name,
      `${parameter.description} (${formatSchema(parameter.schema)})`,
    ]),
    ...(body === undefined ? [] : [['Body', Object.keys(body).join(', ')] as [string, string]]),
    ...Object.entries(responses).map(([status, response]): [string, string] => [
      status,
      `${response.description}: ${Object.keys(response.content).join(', ')}`,
    ]),
  ];
  return `<section>
<h3>${method} ${escapeHtml(url.replaceAll(/:(\w+)/g, (_all, name: string) => name.toUpperCase()))}</h3>
<p>${escapeHtml(summary)}.${description === undefined ? '' : ` ${escapeHtml(description)}`}</p>
<table><thead><tr><th scope="col">Part</th><th scope="col">Meaning</th></tr></thead><tbody>
${rows.map(([name, meaning]) => `<tr><td><code>${escapeHtml(name)}</code></td><td>${escapeHtml(meaning)}</td></tr>`).join('\n')}
</tbody></table>
</section>`;
}

function formatSchema({ type, minimum, maximum, maxLength, format }: { readonly [keyword: string]: unknown }): string {
  const range = minimum === undefined ? '' : ` from ${Number(minimum)} to ${Number(maximum)}`;
  return `${String(format ?? type)}${range}${maxLength === undefined ? '' : `, at most ${Number(maxLength)} characters`}`;
}
