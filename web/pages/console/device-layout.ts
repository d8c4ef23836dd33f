import { errorText } from '../../../shared/errors.ts';
import { parseKeyMap } from '../../devices/key-map.ts';
import { type FormField, type FormInputs, parseForm, readForm } from '../../devices/form-schema.ts';

/** Maximum number of devices of a layout. */
export const MAX_DEVICES = 40;
/** Maximum length of a layout as text, in characters. */
export const MAX_LAYOUT_LENGTH = 200_000;
/** Maximum length of one setting. */
const MAX_SETTING_LENGTH = 20_000;

type Property = { readonly [keyword: string]: unknown };

interface DeviceType {
  readonly title: string;
  /** Settings of the device: attributes of the element, and `label`, its content. */
  readonly properties: { readonly [setting: string]: Property };
}

const NAME: Property = { type: 'string', title: 'Name', description: 'Key under which the server receives the value' };
const LABEL: Property = { type: 'string', title: 'Label' };

/** The devices that a layout can contain, by the suffixes of their tag names. */
const TYPES = {
  button: {
    title: 'Button',
    properties: { name: NAME, label: LABEL, toggle: { type: 'boolean', title: 'Stays pressed until pressed again' } },
  },
  slider: {
    title: 'Slider',
    properties: {
      name: NAME,
      label: LABEL,
      min: { type: 'number', title: 'Minimum', default: -1 },
      max: { type: 'number', title: 'Maximum', default: 1 },
      step: { type: 'number', title: 'Step', default: 0.01 },
      initial: { type: 'number', title: 'Initial value', default: 0 },
      spring: { type: 'boolean', title: 'Returns to the initial value when released' },
    },
  },
  joystick: { title: 'Joystick', properties: { name: NAME } },
  keys: {
    title: 'Keys',
    properties: {
      name: NAME,
      keys: {
        type: 'string',
        title: 'Keys',
        description: 'For example: w=y+1 s=y-1 space=brake. Default: W, A, S, D and the arrow keys',
      },
    },
  },
  gamepad: {
    title: 'Game controller',
    properties: {
      name: NAME,
      index: {
        type: 'integer',
        title: 'Controller',
        description: 'Number of the controller, from 0, if several are connected',
        minimum: 0,
        maximum: 15,
      },
    },
  },
  pointer: {
    title: 'Pointer on the picture',
    properties: {
      name: NAME,
      label: LABEL,
      tool: { enum: ['click', 'drag', 'box', 'polygon'], title: 'Tool', default: 'click' },
    },
  },
  form: {
    title: 'Form',
    properties: {
      name: NAME,
      label: LABEL,
      schema: { type: 'string', title: 'JSON Schema', description: 'Default: the schema in the server’s message' },
      once: { type: 'boolean', title: 'Send the value once' },
    },
  },
  camera: {
    title: 'Camera',
    properties: {
      label: LABEL,
      facing: { enum: ['user', 'environment'], title: 'Phone camera' },
      size: { enum: ['480p', '720p', '1080p'], title: 'Size', default: '480p' },
      fps: { type: 'integer', title: 'Maximum frame rate', minimum: 1, maximum: 60, default: 25 },
    },
  },
  latency: {
    title: 'Latency',
    properties: {
      label: LABEL,
      'max-latency': {
        type: 'integer',
        title: 'Limit in ms',
        description: 'Devices are disabled while the latency is above this limit',
        minimum: 1,
      },
    },
  },
  control: { title: 'Control', properties: {} },
  stop: {
    title: 'Emergency stop',
    properties: { inline: { type: 'boolean', title: 'Inline, between the other devices' } },
  },
} as const satisfies Readonly<Record<string, DeviceType>>;

export type DeviceKind = keyof typeof TYPES;

export const DEVICE_KINDS = Object.keys(TYPES) as readonly DeviceKind[];

type Setting = string | number | boolean | null;

/** A device of a layout. Settings with their default values are missing. */
export interface LayoutDevice {
  readonly kind: DeviceKind;
  readonly settings: { readonly [setting: string]: Setting };
}

export function titleOf(kind: DeviceKind): string {
  return TYPES[kind].title;
}

/**
 * JSON Schema of the settings of a device.
 *
 * @param settings the initial values.
 * @param names suggested for its name.
 */
export function settingsSchema(
  kind: DeviceKind,
  settings: LayoutDevice['settings'],
  names: readonly string[] = [],
): object {
  const properties = Object.entries<Property>(TYPES[kind].properties).map(([key, property]) => [
    key,
    {
      ...property,
      ...(Object.hasOwn(settings, key) ? { default: settings[key] } : {}),
      ...(key === 'name' && names.length > 0 ? { examples: names } : {}),
    },
  ]);
  return { type: 'object', required: ['name'], properties: Object.fromEntries(properties) as object };
}

/** A device with the settings that differ from the defaults. */
export function createDevice(kind: DeviceKind, values: { readonly [setting: string]: unknown }): LayoutDevice {
  const fields = fieldsOf(kind);
  const { value } = readForm(fields, inputsOf(fields, values));
  const isDefault = (key: string): boolean => {
    const property: Property = (TYPES[kind].properties as DeviceType['properties'])[key] ?? {};
    return value[key] === ('default' in property ? property['default'] : property['type'] === 'boolean' ? false : '');
  };
  const settings = Object.entries(value).filter(([key]) => !isDefault(key));
  return { kind, settings: Object.fromEntries(settings) as LayoutDevice['settings'] };
}

/** @returns the problem of a device among the others of its layout; null if there is none. */
export function deviceProblem(device: LayoutDevice, others: readonly LayoutDevice[]): string | null {
  const { name, keys, schema } = device.settings;
  const tooLong = Object.entries(device.settings).find(([, value]) => String(value).length > MAX_SETTING_LENGTH);
  if (tooLong !== undefined)
    return `the setting ${tooLong[0]} is too long, expected at most ${MAX_SETTING_LENGTH} characters`;
  if (name === 'stop') return 'the name stop is reserved for the emergency stop, expected another name';
  if (name !== undefined && others.some(({ settings }) => settings['name'] === name))
    return `the name ${String(name)} is in use, expected a different name for each device`;
  if (device.kind === 'stop' && others.some(({ kind }) => kind === 'stop'))
    return 'the layout already has an emergency stop, expected at most one';
  try {
    if (typeof keys === 'string') parseKeyMap(keys);
    if (typeof schema === 'string') parseForm(JSON.parse(schema));
  } catch (error) {
    return errorText(error);
  }
  return null;
}

/** A layout as a string that {@link parseLayout} reads. */
export function formatLayout(devices: readonly LayoutDevice[]): string {
  return JSON.stringify({ devices: devices.map(({ kind, settings }) => ({ kind, ...settings })) }, null, 2);
}

/**
 * Reads a layout.
 *
 * @throws {TypeError} if it is not valid; the message contains the position.
 */
export function parseLayout(text: string): readonly LayoutDevice[] {
  if (text.length > MAX_LAYOUT_LENGTH)
    throw new TypeError(`the layout has ${text.length} characters, expected at most ${MAX_LAYOUT_LENGTH}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new TypeError('the layout is not JSON, expected one that the console has exported');
  }
  const list = isObject(value) && Object.hasOwn(value, 'devices') ? value['devices'] : null;
  if (!Array.isArray(list)) throw new TypeError('the layout has no list of devices, expected { "devices": [ … ] }');
  if (list.length > MAX_DEVICES)
    throw new TypeError(`the layout has ${list.length} devices, expected at most ${MAX_DEVICES}`);
  const devices: LayoutDevice[] = [];
  for (const [index, item] of list.entries()) {
    const device = readDevice(item, `device ${index + 1}`);
    const problem = deviceProblem(device, devices);
    if (problem !== null) throw new TypeError(`device ${index + 1}: ${problem}`);
    devices.push(device);
  }
  return devices;
}

function readDevice(item: unknown, where: string): LayoutDevice {
  const kind = isObject(item) && Object.hasOwn(item, 'kind') ? item['kind'] : null;
  if (!isObject(item) || typeof kind !== 'string' || !Object.hasOwn(TYPES, kind))
    throw new TypeError(`${where}: the kind is ${JSON.stringify(kind)}, expected one of ${DEVICE_KINDS.join(', ')}`);
  const fields = fieldsOf(kind as DeviceKind);
  const { problems } = readForm(fields, inputsOf(fields, item));
  const [first] = problems;
  if (first !== undefined) {
    const field = fields.find(({ path }) => path === first[0]);
    throw new TypeError(`${where} (${kind}), ${field?.key ?? ''}: ${first[1]}`);
  }
  return createDevice(kind as DeviceKind, item);
}

function fieldsOf(kind: DeviceKind): readonly FormField[] {
  return parseForm(settingsSchema(kind, {})).fields;
}

/**
 * Values in the format of user input. Missing values are replaced by the defaults; values of a wrong type are rejected
 * when the form is read.
 */
function inputsOf(fields: readonly FormField[], values: { readonly [setting: string]: unknown }): FormInputs {
  return new Map(
    fields.map((field) => {
      const value = Object.hasOwn(values, field.key) ? values[field.key] : undefined;
      return [field.path, inputOf(field, value)];
    }),
  );
}

function inputOf(field: FormField, value: unknown): string | boolean {
  if (value === undefined) return initialInput(field);
  if (field.kind === 'boolean') return value === true;
  if (field.kind === 'choice') return String((field.choices as readonly unknown[]).indexOf(value));
  if (field.kind === 'number') return typeof value === 'number' ? String(value) : 'not a number';
  return typeof value === 'string' ? value : '';
}

function initialInput(field: FormField): string | boolean {
  if (field.kind === 'boolean') return field.initial;
  if (field.kind === 'choice') return field.initial < 0 ? '' : String(field.initial);
  return 'initial' in field ? String(field.initial ?? '') : '';
}

/**
 * The devices as HTML for other pages, with their viewer.
 *
 * @param base address of the gateway, without the trailing slash.
 */
export function layoutMarkup(devices: readonly LayoutDevice[], base: string, stream: string): string {
  const address = `${base}/streams/${encodeURIComponent(stream)}`;
  const script = (name: string): string => `<script type="module" src="${escape(base)}/${name}.js"></script>`;
  return [
    script('gearway-viewer'),
    script('gearway-devices'),
    `<gearway-viewer src="${escape(address)}" controls></gearway-viewer>`,
    ...devices.map((device, index) => {
      if (device.kind !== 'camera') return deviceMarkup(device, {});
      const viewer = `camera-${index + 1}`;
      const hidden = `<gearway-viewer id="${viewer}" src="${escape(address)}" max-fps="1" hidden></gearway-viewer>`;
      return `${hidden}\n${deviceMarkup(device, { viewer })}`;
    }),
    '',
  ].join('\n');
}

function deviceMarkup(device: LayoutDevice, more: { readonly [attribute: string]: string }): string {
  const attributes = Object.entries({ ...more, ...attributesOf(device) })
    .map(([name, value]) => (value === '' ? ` ${name}` : ` ${name}="${escape(value)}"`))
    .join('');
  const tag = `gearway-${device.kind}`;
  return `<${tag}${attributes}>${escape(labelOf(device))}</${tag}>`;
}

/** Attributes of the element of a device. */
export function attributesOf({ settings }: LayoutDevice): { readonly [attribute: string]: string } {
  const { label: _label, ...attributes } = settings;
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [name, value === true ? '' : String(value)]),
  );
}

/** Content of the element of a device; empty for the default content of the element. */
export function labelOf({ settings }: LayoutDevice): string {
  return String(settings['label'] ?? '');
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
