import type { StreamStatus } from '../../shared/status.ts';

/** Lines to copy that connect something to this stream. */
export interface ConnectLine {
  readonly title: string;
  readonly text: string;
}

/** What to paste where, with this gateway's own addresses filled in. */
export function connectLines(status: StreamStatus | null, origin: string, stream: string): readonly ConnectLine[] {
  const upstream = /^tcp:\/\/(.+):(\d+(?:,\d+)*)\?pattern=(\d)$/.exec(status?.source.kind === 'netgear' ? status.source.address : '');
  const native = status?.clients.find(({ kind }) => kind === 'native');
  const nativePort = /:(\d+)$/.exec(native?.address ?? '')?.[1] ?? '5567';
  const host = (upstream?.[1] ?? '127.0.0.1').replace(/^(\*|0\.0\.0\.0)$/, location.hostname);
  const ports = (upstream?.[2] ?? '5555').split(',');
  // A server of several ports knows each client by its own; of several servers each feeds a stream that is called like its port.
  const mode = ports.length > 1 ? ', multiclient_mode=True' : ports[0] === stream ? ', multiserver_mode=True' : '';
  const port = ports.length > 1 ? `[${ports.map((text) => `"${text}"`).join(', ')}]` : `"${ports[0]}"`;
  const server = `NetGear(address="${host}", port=${port}, protocol="tcp", pattern=${upstream?.[3] ?? '1'}${mode}${upstream?.[3] === '2' ? '' : ', bidirectional_mode=True'})`;
  const lines: ConnectLine[] = [];
  if (upstream === null) lines.push({ title: 'Start the gateway for a Python server', text: 'npm start -- --source "netgear:tcp://127.0.0.1:5555?pattern=1"' });
  lines.push({ title: 'Python server', text: server });
  if (native === undefined) lines.push({ title: 'Start the gateway for a Python client', text: 'npm start -- --client "tcp://127.0.0.1:5567?pattern=1"' });
  lines.push(
    { title: 'Python client', text: `NetGear(address="127.0.0.1", port="${nativePort}", protocol="tcp", pattern=1, receive_mode=True, multiclient_mode=True, bidirectional_mode=True)` },
    { title: 'Picture without JavaScript', text: `<img src="${origin}/streams/${stream}/mjpeg" alt="Live picture">` },
    { title: 'Web page', text: `<script type="module" src="${origin}/gearway-viewer.js"></script>\n<gearway-viewer src="${origin}/streams/${stream}"></gearway-viewer>` },
  );
  return lines;
}
