// What a viewer without bar and statistics never loads.
export { PictureView } from './picture-view.ts';
export { statsPanel } from './stats-panel.ts';
export { type ControlsActions, controls, keyAction } from './viewer-controls.ts';
export { extraStyles } from './viewer-extra-styles.ts';
