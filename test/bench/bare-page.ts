/** A minimal hand-written page that shows pictures efficiently: a worker decodes and draws, and the main thread does nothing. */
export const BARE_PAGE = `<!doctype html><title>Bare</title><style>body{margin:0}canvas{display:block}</style><canvas></canvas>
<script>
const surface = document.querySelector('canvas').transferControlToOffscreen();
const worker = new Worker('/worker.js');
worker.postMessage({ surface, url: 'ws://' + location.host + location.pathname }, [surface]);
function countPainted() {
  return new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.postMessage('count');
  });
}
</script>`;

export const BARE_WORKER = `
let painted = 0;
onmessage = ({ data }) => {
  if (data === 'count') {
    postMessage(painted);
    return;
  }
  const { surface, url } = data;
  const context = surface.getContext('2d', { alpha: false });
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  let turn = Promise.resolve();
  socket.onmessage = ({ data }) => {
    const decoding = createImageBitmap(new Blob([data]));
    // Decoded in parallel, drawn in order.
    turn = turn.then(() => decoding).then(draw);
  };
  const draw = (bitmap) => {
    if (surface.width !== bitmap.width || surface.height !== bitmap.height) {
      surface.width = bitmap.width;
      surface.height = bitmap.height;
    }
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    painted += 1;
    socket.send('painted');
  };
};`;
