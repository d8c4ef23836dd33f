// The file `gearway-overlays.js`, which element and session load when overlays are wanted.
export { OverlayHost } from './overlay-host.ts';
export { OverlaySession } from './overlay-session.ts';
