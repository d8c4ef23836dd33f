import { describeOverlaysInStep } from './overlays-in-step.ts';

// The same with 1000 frames is in test/soak.
describeOverlaysInStep(40);
