import type { StreamStatus } from '../../../shared/status.ts';

/** Lines to copy that connect something to this stream. */
export interface ConnectLine {
  readonly title: string;
  readonly text: string;
}

/** What to paste where, with this gateway's own addresses filled in. */
export function connectLines(status: StreamStatus | null, origin: string, stream: string): readonly ConnectLine[] {
  const address = `${origin}/streams/${stream}`;
  return [
    ...sourceLines(status, address, stream),
    ...clientLines(status),
    { title: 'Picture without JavaScript', text: `<img src="${address}/mjpeg" alt="Live picture">` },
    { title: 'Web page', text: `<script type="module" src="${origin}/gearway-viewer.js"></script>\n<gearway-viewer src="${address}"></gearway-viewer>` },
  ];
}

/** What brings pictures to this stream, or to another one while this shows the test pattern. Other sources need nobody. */
function sourceLines(status: StreamStatus | null, address: string, stream: string): readonly ConnectLine[] {
  switch (status?.source.kind) {
    case 'netgear':
      return [{ title: 'Python server', text: pythonServer(status.source.address, stream) }];
    case 'push':
      return [{ title: 'A picture from a shell', text: `curl -F frame=@picture.jpg ${address}/frames` }];
    case 'test-pattern':
      return [
        { title: 'Start the gateway for a camera', text: 'npm start -- --source "ffmpeg:camera"' },
        { title: 'Start the gateway for a Python server', text: 'npm start -- --source "netgear:tcp://127.0.0.1:5555?pattern=1"' },
        { title: 'Python server', text: pythonServer('tcp://127.0.0.1:5555?pattern=1', stream) },
      ];
    default:
      return [];
  }
}

/** @param address of the stream's source. */
function pythonServer(address: string, stream: string): string {
  const [, name = '127.0.0.1', list = '5555', pattern = '1'] = /^tcp:\/\/(.+):(\d+(?:,\d+)*)\?pattern=(\d)$/.exec(address) ?? [];
  const host = name.replace(/^(\*|0\.0\.0\.0)$/, location.hostname);
  const ports = list.split(',');
  // A server of several ports knows each client by its own; of several servers each feeds a stream that is called like its port.
  const mode = ports.length > 1 ? ', multiclient_mode=True' : ports[0] === stream ? ', multiserver_mode=True' : '';
  const port = ports.length > 1 ? `[${ports.map((text) => `"${text}"`).join(', ')}]` : `"${ports[0]}"`;
  return `NetGear(address="${host}", port=${port}, protocol="tcp", pattern=${pattern}${mode}${pattern === '2' ? '' : ', bidirectional_mode=True'})`;
}

function clientLines(status: StreamStatus | null): readonly ConnectLine[] {
  const native = status?.clients.find(({ kind }) => kind === 'native');
  const port = /:(\d+)$/.exec(native?.address ?? '')?.[1] ?? '5567';
  const client = { title: 'Python client', text: `NetGear(address="127.0.0.1", port="${port}", protocol="tcp", pattern=1, receive_mode=True, multiclient_mode=True, bidirectional_mode=True)` };
  return native === undefined ? [{ title: 'Start the gateway for a Python client', text: 'npm start -- --client "tcp://127.0.0.1:5567?pattern=1"' }, client] : [client];
}
