import type { PublisherCommand, PublisherEvent, PublisherOptions } from './publisher-messages.ts';
import { PublisherSession } from './publisher-session.ts';
import { serveSessions } from '../connection/worker-sessions.ts';

// The page's one worker for publishers: sockets and JPEG encoding of all of them.
serveSessions<PublisherOptions, PublisherCommand, PublisherEvent>((options, emit) => new PublisherSession(options, emit));
