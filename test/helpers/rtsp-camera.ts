import { PythonPeer, peers } from './peers.ts';

/** GStreamer's RTSP server with an H.264 camera and a JPEG camera. */
export class RtspCamera extends PythonPeer {
  constructor(options: Readonly<Record<string, unknown>> = {}) {
    const picture =
      'videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=640,height=480,framerate=30/1';
    const streams = {
      h264: `${picture} ! x264enc tune=zerolatency key-int-max=30 ! rtph264pay name=pay0`,
      jpeg: `${picture} ! jpegenc ! rtpjpegpay name=pay0`,
    };
    super('rtsp_server.py', { streams, ...options }, peers().systemPython);
  }

  async address(): Promise<string> {
    const { port } = await this.waitFor<{ port: number }>('ready');
    return `127.0.0.1:${port}`;
  }
}
