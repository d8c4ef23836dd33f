import { serveSessions } from '../connection/session-host.ts';
import type { ViewerCommand, ViewerEvent } from './viewer-messages.ts';
import { openViewerSession, type ViewerOpening } from './viewer-session.ts';

// Worker shared by all viewers of a page: connections, decoding and drawing.
serveSessions<ViewerOpening, ViewerCommand, ViewerEvent>(openViewerSession);
