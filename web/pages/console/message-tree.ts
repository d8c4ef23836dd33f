import { html, type TemplateResult } from 'lit';
import type { Value } from '../../../shared/protocol.ts';

const MAX_ITEMS = 50;
const MAX_DEPTH = 8;
const MAX_TEXT = 200;

/** A value as a tree that people can read: keys and values on lines, small lists in one; `empty` stands for no value. */
export function messageTree(value: Value, empty: string): TemplateResult {
  return html`<div class="tree" tabindex="0" role="region" aria-label="Message as a tree">${value === null ? html`<span class="dim">${empty}</span>` : node(value, 0)}</div>`;
}

function node(value: Value, depth: number): TemplateResult {
  if (typeof value !== 'object' || value === null) return scalar(value);
  const isList = Array.isArray(value);
  const entries: [string, Value][] = isList ? value.map((item, index) => [String(index), item as Value]) : Object.entries(value as { [key: string]: Value });
  const size = html`<span class="dim">${isList ? '[' : '{'}${entries.length}${isList ? ']' : '}'}</span>`;
  if (entries.length === 0 || depth >= MAX_DEPTH) return size;
  if (isList && entries.length <= 8 && entries.every(([, item]) => typeof item !== 'object' || item === null)) {
    return html`<span class="dim">[</span>${entries.map(([, item], index) => html`${index > 0 ? ', ' : ''}${scalar(item)}`)}<span class="dim">]</span>`;
  }
  return html`${depth > 0 ? size : ''}<ul>${entries.slice(0, MAX_ITEMS).map(
      ([key, item]) => html`<li><span class=${isList ? 'dim' : 'key'}>${key}</span> ${node(item, depth + 1)}</li>`,
    )}${entries.length > MAX_ITEMS ? html`<li class="dim">… ${entries.length - MAX_ITEMS} more</li>` : ''}</ul>`;
}

function scalar(value: Value): TemplateResult {
  if (typeof value === 'string') return html`<span class="text">"${value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value}"</span>`;
  return html`<span>${value === null ? 'None' : `${value as number | boolean | bigint}`}</span>`;
}
