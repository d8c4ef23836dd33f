// Pushes a JPEG to a gateway in another process at 10 fps, with one request per frame.
//   npm start -- --source push:
//   node examples/push-node.mjs picture.jpg
// For a gateway in the same process, see examples/push.mjs.
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const [path = 'picture.jpg', stream = 'http://127.0.0.1:8080/streams/main', frames = 'Infinity'] =
  process.argv.slice(2);
const jpeg = await readFile(path);
const token = process.env.GEARWAY_TOKEN;

for (let number = 1; number <= Number(frames); number += 1) {
  const answer = await fetch(`${stream}/frames?publisher=push-node.mjs`, {
    method: 'POST',
    headers: {
      'content-type': 'image/jpeg',
      // A message with characters beyond ASCII requires a FormData with the field `message`.
      'gearway-message': JSON.stringify({ number }),
      'gearway-captured-at': new Date().toISOString(),
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: jpeg,
  });
  const { sequence, message } = await answer.json();
  // For example 409: another publisher is active.
  if (!answer.ok) throw new Error(`${answer.status}: ${message}`);
  console.log('sent', number, 'sequence', sequence);
  await delay(100);
}
