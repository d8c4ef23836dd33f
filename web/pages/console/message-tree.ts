import { html, type TemplateResult } from 'lit';
import type { Value } from '../../../shared/protocol.ts';

const MAX_ITEMS = 50;
const MAX_DEPTH = 8;
const MAX_TEXT = 200;

/** Maximum length of a list that is shown on one line. */
const MAX_INLINE = 8;

/** A value as a tree, with one line per property. @param empty text shown for no value. */
export function messageTree(value: Value, empty: string): TemplateResult {
  const content = value === null ? html`<span class="dim">${empty}</span>` : node(value, 0);
  return html`<div class="tree" tabindex="0" role="region" aria-label="Message as a tree">${content}</div>`;
}

function node(value: Value, depth: number): TemplateResult {
  if (typeof value !== 'object' || value === null) return scalar(value);
  const isList = Array.isArray(value);
  const entries = Object.entries(value as { [key: string]: Value });
  const size = html`<span class="dim">${isList ? `[${entries.length}]` : `{${entries.length}}`}</span>`;
  if (entries.length === 0 || depth >= MAX_DEPTH) return size;
  const hasOnlyScalars = entries.every(([, item]) => typeof item !== 'object' || item === null);
  if (isList && entries.length <= MAX_INLINE && hasOnlyScalars) {
    const items = entries.map(([, item], index) => html`${index > 0 ? ', ' : ''}${scalar(item)}`);
    return html`<span class="dim">[</span>${items}<span class="dim">]</span>`;
  }
  const keyClass = isList ? 'dim' : 'key';
  const line = ([key, item]: [string, Value]): TemplateResult =>
    html`<li><span class=${keyClass}>${key}</span> ${node(item, depth + 1)}</li>`;
  const hidden = entries.length - MAX_ITEMS;
  return html`${depth > 0 ? size : ''}
    <ul>
      ${entries.slice(0, MAX_ITEMS).map(line)}
      ${hidden > 0 ? html`<li class="dim">… ${hidden} more</li>` : ''}
    </ul>`;
}

function scalar(value: Value): TemplateResult {
  if (typeof value === 'string') {
    const text = value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
    return html`<span class="text">"${text}"</span>`;
  }
  return html`<span>${value === null ? 'None' : `${value as number | boolean | bigint}`}</span>`;
}
