import { serveSessions } from '../connection/session-host.ts';
import type { PublisherCommand, PublisherEvent, PublisherOptions } from './publisher-messages.ts';
import { openPublisherSession } from './publisher-session.ts';

// Worker shared by all publishers of a page: connections and JPEG encoding.
serveSessions<PublisherOptions, PublisherCommand, PublisherEvent>(openPublisherSession);
