/** Value of one device, which the server receives under the device's name. */
export type DeviceValue =
  | boolean
  | number
  | string
  | null
  | readonly DeviceValue[]
  | { readonly [key: string]: DeviceValue };

/** Values of all devices of a viewer, by name. */
export type ControlValue = { readonly [name: string]: DeviceValue };

/** The part of a device that the channel of its viewer uses. */
export interface Device {
  /** Key of its value in the viewer's return data. */
  readonly name: string;
  /** Current value; the neutral one while the device is not in use. */
  readonly value: DeviceValue;
  /** Whether the device is held. Then its value must be repeated, and otherwise expires. */
  readonly isHeld: boolean;
  /** Releases the device: its value is neutral until it is used again. */
  release(): void;
  /** Called when the channel starts or stops accepting values. */
  enabledChanged(): void;
}
