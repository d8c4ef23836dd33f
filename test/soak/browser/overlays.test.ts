import { describeOverlaysInStep } from '../../browser/overlays-in-step.ts';

describeOverlaysInStep(1000, 'all');
