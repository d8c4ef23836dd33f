// The file `gearway-overlays.js`, which element and session load when overlays are needed.
export { OverlayHost } from './overlay-host.ts';
export { OverlaySession } from './overlay-session.ts';
