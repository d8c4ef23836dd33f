import { html, type TemplateResult } from 'lit';
import type { Value } from '../../../shared/protocol.ts';

/** Maximum number of items of one list or map, and of lines in total. */
const MAX_ITEMS = 50;
const MAX_LINES = 500;
const MAX_DEPTH = 8;
/** Maximum number of characters of a string, number or key. */
const MAX_TEXT = 200;

/** Maximum length of a list that is shown on one line. */
const MAX_INLINE = 8;

/** A value as a tree, with one line per property. @param empty text shown for no value. */
export function messageTree(value: Value, empty: string): TemplateResult {
  const content = value === null ? html`<span class="dim">${empty}</span>` : node(value, 0, { lines: MAX_LINES });
  return html`<div class="tree" tabindex="0" role="region" aria-label="Message as a tree">${content}</div>`;
}

/** @param left number of lines that may still be shown in the whole tree, because nested lists can have many. */
function node(value: Value, depth: number, left: { lines: number }): TemplateResult {
  if (typeof value !== 'object' || value === null) return scalar(value);
  const fields = value as { readonly [key: string]: Value };
  const isList = Array.isArray(value);
  const keys = isList ? null : Object.keys(fields);
  const count = keys?.length ?? (value as readonly Value[]).length;
  const size = html`<span class="dim">${isList ? `[${count}]` : `{${count}}`}</span>`;
  if (count === 0 || depth >= MAX_DEPTH || left.lines === 0) return size;
  if (isList && count <= MAX_INLINE && value.every((item) => typeof item !== 'object' || item === null)) {
    const items = value.map((item: Value, index) => html`${index > 0 ? ', ' : ''}${scalar(item)}`);
    return html`<span class="dim">[</span>${items}<span class="dim">]</span>`;
  }
  const shown = Math.min(count, MAX_ITEMS, left.lines);
  left.lines -= shown;
  const keyClass = isList ? 'dim' : 'key';
  const line = (_: unknown, index: number): TemplateResult => {
    const key = keys?.[index] ?? String(index);
    return html`<li><span class=${keyClass}>${shortened(key)}</span> ${node(fields[key] ?? null, depth + 1, left)}</li>`;
  };
  return html`${depth > 0 ? size : ''}
    <ul>
      ${Array.from({ length: shown }, line)}
      ${count > shown ? html`<li class="dim">… ${count - shown} more</li>` : ''}
    </ul>`;
}

function scalar(value: Value): TemplateResult {
  if (typeof value === 'string') return html`<span class="text">"${shortened(value)}"</span>`;
  return html`<span>${value === null ? 'None' : shortened(`${value as number | boolean | bigint}`)}</span>`;
}

function shortened(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}
