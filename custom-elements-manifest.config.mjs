// The public interface of the elements, for editors: `npm run manifest` writes dist/custom-elements.json.
const HIDDEN = new Set([
  'connectedCallback',
  'disconnectedCallback',
  'firstUpdated',
  'updated',
  'render',
  'styles',
  'properties',
]);
const isShown = ({ name, privacy }) =>
  name !== undefined && privacy !== 'private' && privacy !== 'protected' && !/^[_#]/.test(name) && !HIDDEN.has(name);

/** The elements of `gearway/devices`. */
const DEVICES = [
  'button',
  'camera',
  'control',
  'form',
  'gamepad',
  'joystick',
  'keys',
  'latency',
  'pointer',
  'slider',
  'stop',
].map((name) => `web/devices/gearway-${name}.ts`);

/**
 * Unions of strings (`type Fit = 'contain' | …`) by name: an editor can suggest the strings only if the manifest lists
 * them.
 */
const unions = new Map();

const publicOnly = {
  name: 'public-only',
  collectPhase({ ts, node }) {
    const isUnion =
      ts.isTypeAliasDeclaration(node) &&
      ts.isUnionTypeNode(node.type) &&
      node.type.types.every((type) => ts.isLiteralTypeNode(type) && ts.isStringLiteral(type.literal));
    if (isUnion) unions.set(node.name.text, node.type.getText());
  },
  packageLinkPhase({ customElementsManifest }) {
    const { modules } = customElementsManifest;
    const spellOut = ({ type }) => {
      if (type !== undefined)
        type.text = type.text
          .split(' | ')
          .map((text) => unions.get(text) ?? text)
          .join(' | ');
    };
    for (const { declarations } of modules) {
      for (const declaration of declarations.filter(({ customElement }) => customElement)) {
        for (const kind of ['members', 'attributes']) declaration[kind] = (declaration[kind] ?? []).filter(isShown);
        // Keeps only the events of `@fires`, because the analyzer mistakes the first argument of an event class for the
        // event's name.
        declaration.events = (declaration.events ?? []).filter(({ description }) => description !== undefined);
        for (const item of [...declaration.members, ...declaration.attributes]) spellOut(item);
      }
    }
    // In the package, the elements and their events are in one file. Other files were read only for their types.
    const published = (name, ...sources) => {
      const parts = sources.map((source) => modules.find(({ path }) => path === source));
      const path = `dist/web/${name}.js`;
      const declarations = parts.flatMap((part) => part.declarations).filter(({ kind }) => kind === 'class');
      const own = parts
        .flatMap((part) => part.exports)
        .filter(({ declaration }) => declarations.some(({ name }) => name === declaration.name));
      for (const { declaration } of own) declaration.module = path;
      for (const { superclass } of declarations) if (superclass?.name === 'CustomEvent') delete superclass.module;
      return { kind: 'javascript-module', path, declarations, exports: own };
    };
    customElementsManifest.modules = [
      published('gearway-viewer', 'web/viewer/gearway-viewer.ts', 'web/viewer/viewer-events.ts'),
      published('gearway-publisher', 'web/publisher/gearway-publisher.ts', 'web/publisher/publisher-events.ts'),
      published('gearway-devices', 'web/devices/device-element.ts', ...DEVICES),
    ];
  },
};

// The analyzer requires a default export.
// oxlint-disable-next-line import/no-default-export
export default {
  globs: [
    'web/viewer/gearway-viewer.ts',
    'web/viewer/viewer-events.ts',
    'web/viewer/fit.ts',
    'web/viewer/viewer-messages.ts',
    'web/publisher/gearway-publisher.ts',
    'web/publisher/publisher-events.ts',
    'web/publisher/publisher-messages.ts',
    'web/capture/capture-types.ts',
    'web/devices/device-element.ts',
    'web/devices/stop-latch.ts',
    'web/devices/drawing.ts',
    ...DEVICES,
    'web/devices/index.ts',
  ],
  outdir: 'dist',
  // Otherwise, the analyzer would add the path of its output to package.json.
  packagejson: false,
  litelement: true,
  plugins: [publicOnly],
};
