import { describeOverlaysInStep } from './overlays-in-step.ts';

// test/soak runs the same test with 1000 frames and all cases.
describeOverlaysInStep(40, 'each once');
