import { GearwayButton } from './gearway-button.ts';
import { type CameraState, GearwayCamera } from './gearway-camera.ts';
import { GearwayControl } from './gearway-control.ts';
import { type FormValue, GearwayForm } from './gearway-form.ts';
import { GearwayGamepad } from './gearway-gamepad.ts';
import { GearwayJoystick } from './gearway-joystick.ts';
import { GearwayKeys } from './gearway-keys.ts';
import { GearwayLatency } from './gearway-latency.ts';
import { GearwayPointer, type PointerValue } from './gearway-pointer.ts';
import { GearwaySlider } from './gearway-slider.ts';
import { GearwayStop } from './gearway-stop.ts';

export type { DeviceValue } from './control-value.ts';
export type { PointerTool, Position, Shape } from './drawing.ts';
export type { StopState } from './stop-latch.ts';
export { type DeviceElement, GearwayInputEvent } from './device-element.ts';
export {
  type CameraState,
  type FormValue,
  GearwayButton,
  GearwayCamera,
  GearwayControl,
  GearwayForm,
  GearwayGamepad,
  GearwayJoystick,
  GearwayKeys,
  GearwayLatency,
  GearwayPointer,
  GearwaySlider,
  GearwayStop,
  type PointerValue,
};

// `gearway/devices`: defines the elements.
const ELEMENTS = {
  'gearway-button': GearwayButton,
  'gearway-camera': GearwayCamera,
  'gearway-control': GearwayControl,
  'gearway-form': GearwayForm,
  'gearway-gamepad': GearwayGamepad,
  'gearway-joystick': GearwayJoystick,
  'gearway-keys': GearwayKeys,
  'gearway-latency': GearwayLatency,
  'gearway-pointer': GearwayPointer,
  'gearway-slider': GearwaySlider,
  'gearway-stop': GearwayStop,
} as const;

declare global {
  interface HTMLElementTagNameMap {
    'gearway-button': GearwayButton;
    'gearway-camera': GearwayCamera;
    'gearway-control': GearwayControl;
    'gearway-form': GearwayForm;
    'gearway-gamepad': GearwayGamepad;
    'gearway-joystick': GearwayJoystick;
    'gearway-keys': GearwayKeys;
    'gearway-latency': GearwayLatency;
    'gearway-pointer': GearwayPointer;
    'gearway-slider': GearwaySlider;
    'gearway-stop': GearwayStop;
  }
}

for (const [name, element] of Object.entries(ELEMENTS))
  if (!customElements.get(name)) customElements.define(name, element);
