import { serveSessions } from '../connection/session-host.ts';
import { messageText } from './message-text.ts';
import type { ViewerCommand, ViewerEvent } from './viewer-messages.ts';
import { openViewerSession, type ViewerOpening } from './viewer-session.ts';

// Worker shared by all viewers of a page: connections, decoding and drawing.
serveSessions<ViewerOpening, ViewerCommand, ViewerEvent>((opening, emit) =>
  openViewerSession(opening, (event, transfer) => emit(withoutLargeMessage(event), transfer)),
);

function withoutLargeMessage(event: ViewerEvent): ViewerEvent {
  const text = event.kind === 'frame' ? messageText(event.message) : null;
  return event.kind === 'frame' && text !== null ? { ...event, message: null, messageText: text } : event;
}
