import { describeOverlaysInStep } from './overlays-in-step.ts';

// The same with 1000 frames, and all cases, is in test/soak.
describeOverlaysInStep(40, 'each once');
