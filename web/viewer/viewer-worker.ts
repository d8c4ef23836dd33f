import { ViewerSession } from './session.ts';
import type { SessionOpening } from './session-host.ts';
import type { SessionCommand, SessionEvent } from './session-messages.ts';
import { serveSessions } from '../connection/worker-sessions.ts';

// The page's one worker: sockets, decoding and drawing of all its viewers.
serveSessions<SessionOpening, SessionCommand, SessionEvent>(({ options, canvas }, emit) => new ViewerSession(options, canvas, emit));
