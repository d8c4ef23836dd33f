/**
 * The elements in React's JSX, for React 19. Importing it defines `<gearway-viewer>`; for `<gearway-publisher>` and the
 * devices, import their modules too.
 */
import type { DetailedHTMLProps, HTMLAttributes } from 'react';
import type {
  GearwayButton,
  GearwayCamera,
  GearwayControl,
  GearwayForm,
  GearwayGamepad,
  GearwayInputEvent,
  GearwayJoystick,
  GearwayKeys,
  GearwayLatency,
  GearwayPointer,
  GearwaySlider,
  GearwayStop,
} from './devices/index.ts';
import type { GearwayPublisher, GearwayPublisherEventMap } from './publisher/gearway-publisher.ts';
import type { GearwayViewer, GearwayViewerEventMap } from './viewer/gearway-viewer.ts';

export * from './viewer/gearway-viewer.ts';

type IsSame<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Names of the properties of an element that can be set, without methods and read-only properties. */
type Settable<E extends HTMLElement> = {
  [Name in Exclude<keyof E, keyof HTMLElement>]-?: E[Name] extends (...args: never[]) => unknown
    ? never
    : IsSame<Pick<E, Name>, Readonly<Pick<E, Name>>> extends true
      ? never
      : Name;
}[Exclude<keyof E, keyof HTMLElement>];

type Listeners<Events> = { [Name in keyof Events & string as `on${Name}`]?: (event: Events[Name]) => void };

type Props<E extends HTMLElement, Events> = DetailedHTMLProps<HTMLAttributes<E>, E> &
  Partial<Pick<E, Settable<E>>> &
  Listeners<Events>;

type DeviceEvents = { 'gearway-input': GearwayInputEvent };

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'gearway-viewer': Props<GearwayViewer, GearwayViewerEventMap>;
      'gearway-publisher': Props<GearwayPublisher, GearwayPublisherEventMap>;
      'gearway-button': Props<GearwayButton, DeviceEvents>;
      'gearway-camera': Props<GearwayCamera, object>;
      'gearway-control': Props<GearwayControl, object>;
      'gearway-form': Props<GearwayForm, DeviceEvents>;
      'gearway-gamepad': Props<GearwayGamepad, DeviceEvents>;
      'gearway-joystick': Props<GearwayJoystick, DeviceEvents>;
      'gearway-keys': Props<GearwayKeys, DeviceEvents>;
      'gearway-latency': Props<GearwayLatency, object>;
      'gearway-pointer': Props<GearwayPointer, DeviceEvents>;
      'gearway-slider': Props<GearwaySlider, DeviceEvents>;
      'gearway-stop': Props<GearwayStop, object>;
    }
  }
}
