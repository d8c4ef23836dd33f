import { serveSessions } from '../connection/session-host.ts';
import type { CameraCommand, CameraEvent, CameraOptions } from './camera-messages.ts';
import { openCameraSession } from './camera-session.ts';

// Worker shared by all cameras of a page: JPEG encoding.
serveSessions<CameraOptions, CameraCommand, CameraEvent>(openCameraSession);
