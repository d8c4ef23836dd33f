import type { StreamStatus } from '../../../shared/status.ts';
import type { CopyLine } from '../shared/copy-line.ts';

interface ConnectOptions {
  readonly status: StreamStatus | null;
  /** Address of the gateway for other devices, without the trailing slash. */
  readonly base: string;
  readonly stream: string;
}

/** Commands and code that connect a source or client to this stream, with the gateway's own addresses. */
export function connectLines({ status, base, stream }: ConnectOptions): readonly CopyLine[] {
  const address = `${base}/streams/${encodeURIComponent(stream)}`;
  const script = `<script type="module" src="${base}/gearway-viewer.js"></script>`;
  return [
    ...sourceLines(status, address, stream),
    ...clientLines(status),
    { title: 'Image without JavaScript', text: `<img src="${address}/mjpeg" alt="Live picture">` },
    { title: 'Web page', text: `${script}\n<gearway-viewer src="${address}"></gearway-viewer>` },
  ];
}

/** How to provide frames for this stream, or for another stream while this one shows the test pattern. */
function sourceLines(status: StreamStatus | null, address: string, stream: string): readonly CopyLine[] {
  switch (status?.source.kind) {
    case 'netgear':
      return [{ title: 'Python server', text: pythonServer(status.source.address, stream, new URL(address).hostname) }];
    case 'push':
      return [{ title: 'Push an image from a shell', text: `curl -F frame=@picture.jpg ${address}/frames` }];
    case 'test-pattern': {
      const server = 'tcp://127.0.0.1:5555?pattern=1';
      return [
        { title: 'Start the gateway with a camera', text: 'npm start -- --source "ffmpeg:camera"' },
        {
          title: 'Start the gateway with an HTTP camera',
          text: 'npm start -- --source "mjpeg:http://user:password@192.168.1.20/video.mjpg"',
        },
        { title: 'Start the gateway with a Python server', text: `npm start -- --source "netgear:${server}"` },
        { title: 'Python server', text: pythonServer(server, stream, '127.0.0.1') },
      ];
    }
    default:
      return [];
  }
}

/**
 * @param address address of the stream's source.
 * @param gatewayHost name of the gateway for other machines, for a source that listens on all addresses.
 */
function pythonServer(address: string, stream: string, gatewayHost: string): string {
  const [, name = '127.0.0.1', list = '5555', pattern = '1'] =
    /^tcp:\/\/(.+):(\d+(?:,\d+)*)\?pattern=(\d)$/.exec(address) ?? [];
  const host = name.replace(/^(\*|0\.0\.0\.0)$/, gatewayHost);
  const ports = list.split(',');
  // With several ports, a multi-client server identifies its clients by port. With several servers, each one feeds the
  // stream that is named after its port.
  const isMultiClient = ports.length > 1;
  const mode = isMultiClient ? ', multiclient_mode=True' : ports[0] === stream ? ', multiserver_mode=True' : '';
  const port = isMultiClient ? `[${ports.map((text) => `"${text}"`).join(', ')}]` : `"${ports[0]}"`;
  const bidirectional = pattern === '2' ? '' : ', bidirectional_mode=True';
  return `NetGear(address="${host}", port=${port}, protocol="tcp", pattern=${pattern}${mode}${bidirectional})`;
}

function clientLines(status: StreamStatus | null): readonly CopyLine[] {
  const native = status?.clients.find(({ kind }) => kind === 'native');
  const port = /:(\d+)$/.exec(native?.address ?? '')?.[1] ?? '5567';
  const modes = 'receive_mode=True, multiclient_mode=True, bidirectional_mode=True';
  const text = `NetGear(address="127.0.0.1", port="${port}", protocol="tcp", pattern=1, ${modes})`;
  const client = { title: 'Python client', text };
  if (native !== undefined) return [client];
  const command = 'npm start -- --client "tcp://127.0.0.1:5567?pattern=1"';
  return [{ title: 'Start the gateway with a Python client', text: command }, client];
}
