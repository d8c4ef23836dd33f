import { describeOverlaysInStep } from './overlays-in-step.ts';

describeOverlaysInStep(100);
