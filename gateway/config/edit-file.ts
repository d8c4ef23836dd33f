import { isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { StreamSettings } from './gateway-options.ts';
import { escapeReferences } from './stream-settings.ts';

/**
 * Changes one stream in the text of a valid configuration file. Comments, other options, and their formatting are
 * preserved. Of the stream, only the options that differ are written, so that references such as `${DOOR_PASSWORD}` in
 * other options are kept.
 * @param before the options of the stream that the file has, after its references were replaced; null if it has none.
 * @param after null to remove the stream.
 */
export function editStream(
  text: string,
  name: string,
  before: StreamSettings | null,
  after: StreamSettings | null,
): string {
  const document = parseDocument(text, { uniqueKeys: false, logLevel: 'error' });
  const streams = document.get('streams');
  const pair = isMap(streams)
    ? streams.items.find(({ key }) => isScalar(key) && String(key.value) === name)
    : undefined;
  const stream = pair?.value;
  if (after === null) {
    if (isMap(streams) && pair !== undefined) streams.items.splice(streams.items.indexOf(pair), 1);
    if (isMap(streams) && streams.items.length === 0) document.delete('streams');
  } else if (isMap(stream)) {
    for (const key of Object.keys({ ...before, ...after }) as (keyof StreamSettings)[]) {
      const [old, wanted] = [before?.[key], after[key]];
      if (JSON.stringify(old) === JSON.stringify(wanted)) continue;
      const node = stream.get(key, true);
      if (wanted === undefined) stream.delete(key);
      else if (typeof wanted === 'string') stream.set(key, escapeReferences(wanted));
      else if (isSeq(node) && Array.isArray(old) && old.length === node.items.length)
        // Entries that remain in a list keep their comments and references.
        node.items = wanted.map((item) =>
          old.includes(item) ? node.items[old.indexOf(item)] : document.createNode(escapeReferences(item)),
        );
      else stream.set(key, document.createNode(wanted.map(escapeReferences)));
    }
  } else {
    const created = document.createNode(
      Object.fromEntries(
        Object.entries(after).map(([key, value]: [string, string | readonly string[]]) => [
          key,
          typeof value === 'string' ? escapeReferences(value) : value.map(escapeReferences),
        ]),
      ),
    );
    if (isMap(streams)) streams.set(name, created);
    else if (document.contents === null || isScalar(document.contents)) {
      // The file contains only comments. They belong to the document, and remain before its content.
      document.contents = document.createNode({ streams: { [name]: created } }) as never;
    } else document.set('streams', document.createNode({ [name]: created }));
  }
  const edited = document.toString({ lineWidth: 0, ...layoutOf(text) });
  return text.includes('\r\n') ? edited.replaceAll(/\r?\n/g, '\r\n') : edited;
}

/** A key whose value follows on later lines, and the comments between them. */
const KEY = '(?![ #-]).*:[ \\t]*(?:#.*)?\\r?\\n(?:[ \\t]*(?:#.*)?\\r?\\n)*';
const INDENTED_MAP = new RegExp(`^${KEY}( {1,8})(?![ #-])`, 'm');
const LIST_BELOW_KEY = new RegExp(`^( *)${KEY}\\1- `, 'm');

/** Indentation and spacing of a file. Only the number of spaces before a comment is not preserved. */
function layoutOf(text: string): { indent: number; indentSeq: boolean; flowCollectionPadding: boolean } {
  return {
    indent: INDENTED_MAP.exec(text)?.[1]?.length ?? 2,
    indentSeq: !LIST_BELOW_KEY.test(text),
    flowCollectionPadding: !/: \{[^ }]/.test(text),
  };
}
