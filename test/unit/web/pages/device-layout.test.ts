import { describe, expect, it } from 'vitest';
import {
  createDevice,
  DEVICE_KINDS,
  deviceProblem,
  formatLayout,
  layoutMarkup,
  MAX_DEVICES,
  MAX_LAYOUT_LENGTH,
  parseLayout,
} from '../../../../web/pages/console/device-layout.ts';

const layout = (...devices: unknown[]): string => JSON.stringify({ devices });

describe('parseLayout', () => {
  it('reads the output of formatLayout', () => {
    const devices = [
      createDevice('button', { name: 'horn', label: 'Horn', toggle: true }),
      createDevice('slider', { name: 'speed', min: 0, max: 1, initial: 0.5 }),
      createDevice('pointer', { name: 'goal', tool: 'box' }),
      createDevice('keys', { name: 'drive', keys: 'w=y+1 space=brake' }),
      createDevice('form', { name: 'settings', once: true, schema: '{"type":"object","properties":{}}' }),
      createDevice('camera', { facing: 'environment', fps: 10 }),
      createDevice('camera', {}),
      createDevice('latency', { 'max-latency': 400 }),
      createDevice('stop', {}),
    ];
    expect(parseLayout(formatLayout(devices))).toEqual(devices);
    expect(parseLayout(layout())).toEqual([]);
  });

  it('keeps only known settings that are not the defaults', () => {
    const device = { kind: 'slider', name: 'a', min: -1, max: 2, onclick: 'alert(1)', constructor: 1 };
    expect(parseLayout(layout(device))).toEqual([{ kind: 'slider', settings: { name: 'a', max: 2 } }]);
  });

  it.each([
    ['{', 'the layout is not JSON, expected one that the console has exported'],
    ['7', 'the layout has no list of devices, expected { "devices": [ … ] }'],
    ['{"devices": 7}', 'the layout has no list of devices, expected { "devices": [ … ] }'],
    [layout(7), `device 1: the kind is null, expected one of ${DEVICE_KINDS.join(', ')}`],
    [layout({ kind: '__proto__' }), `device 1: the kind is "__proto__", expected one of ${DEVICE_KINDS.join(', ')}`],
    [layout({ kind: 'button' }), 'device 1 (button), name: Enter text'],
    [layout({ kind: 'slider', name: 'a', min: '0' }), 'device 1 (slider), min: Enter a number'],
    [layout({ kind: 'pointer', name: 'a', tool: 'circle' }), 'device 1 (pointer), tool: Choose a value'],
    [layout({ kind: 'gamepad', name: 'a', index: -1 }), 'device 1 (gamepad), index: Enter a whole number from 0 to 15'],
    [layout({ kind: 'button', name: 'stop' }), /^device 1: the name stop is reserved for the emergency stop/],
    [layout({ kind: 'button', name: 'a' }, { kind: 'joystick', name: 'a' }), /^device 2: the name a is in use/],
    [
      layout({ kind: 'stop' }, { kind: 'stop' }),
      'device 2: the layout already has an emergency stop, expected at most one',
    ],
    [layout({ kind: 'keys', name: 'a', keys: 'w' }), /^device 1: the key "w" is invalid/],
    [layout({ kind: 'form', name: 'a', schema: '{}' }), /^device 1: the schema is not an object with properties/],
    [layout({ kind: 'button', name: 'x'.repeat(20_001) }), /^device 1: the setting name is too long/],
    [layout(...Array.from({ length: MAX_DEVICES + 1 }, () => ({}))), 'the layout has 41 devices, expected at most 40'],
    [' '.repeat(MAX_LAYOUT_LENGTH + 1), /^the layout has 200001 characters/],
  ])('refuses %s', (text, message) => {
    expect(() => parseLayout(text)).toThrow(message);
  });
});

describe('deviceProblem', () => {
  it('allows several devices without a name', () => {
    const control = createDevice('control', {});
    expect(deviceProblem(control, [control, createDevice('latency', {})])).toBeNull();
  });
});

describe('layoutMarkup', () => {
  it('is a page with the viewer and the devices, in which every value is escaped', () => {
    const devices = [
      createDevice('button', { name: '"><script>', label: '<b>&', toggle: true }),
      createDevice('latency', { 'max-latency': 400 }),
      createDevice('camera', { fps: 10 }),
    ];
    expect(layoutMarkup(devices, 'http://127.0.0.1:8080', 'main')).toBe(
      `<script type="module" src="http://127.0.0.1:8080/gearway-viewer.js"></script>
<script type="module" src="http://127.0.0.1:8080/gearway-devices.js"></script>
<gearway-viewer src="http://127.0.0.1:8080/streams/main" controls></gearway-viewer>
<gearway-button name="&quot;&gt;&lt;script&gt;" toggle>&lt;b&gt;&amp;</gearway-button>
<gearway-latency max-latency="400"></gearway-latency>
<gearway-viewer id="camera-3" src="http://127.0.0.1:8080/streams/main" max-fps="1" hidden></gearway-viewer>
<gearway-camera viewer="camera-3" fps="10"></gearway-camera>
`,
    );
  });
});
