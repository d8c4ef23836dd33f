// Frames from a Node program to a gateway that runs elsewhere: a JPEG ten times a second, each as a request of its own.
//   npm start -- --source push:
//   node examples/push-node.mjs picture.jpg
// For a gateway in the same program: examples/push.mjs.
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const [path = 'picture.jpg', stream = 'http://127.0.0.1:8080/streams/main', frames = 'Infinity'] = process.argv.slice(2);
const jpeg = await readFile(path);
const token = process.env.GEARWAY_TOKEN;

for (let number = 1; number <= Number(frames); number += 1) {
  const answer = await fetch(`${stream}/frames?publisher=push-node.mjs`, {
    method: 'POST',
    headers: {
      'content-type': 'image/jpeg',
      // What has characters beyond ASCII goes into the field `message` of a FormData.
      'gearway-message': JSON.stringify({ number }),
      'gearway-captured-at': new Date().toISOString(),
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: jpeg,
  });
  const { sequence, message } = await answer.json();
  // Such as 409: another publishes to this stream.
  if (!answer.ok) throw new Error(`${answer.status}: ${message}`);
  console.log('sent', number, 'sequence', sequence);
  await delay(100);
}
