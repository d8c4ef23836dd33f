// NetGear server in Node: sends a JPEG to a NetGear client at 30 fps, and prints its return data.
//   node examples/netgear-sender.mjs picture.jpg 5567
// The client is examples/netgear-receiver.mjs, or in Python:
//   NetGear(address='127.0.0.1', port='5567', pattern=1, receive_mode=True, bidirectional_mode=True)
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { NetGearSender } from 'gearway/netgear';

const [path = 'picture.jpg', port = '5567'] = process.argv.slice(2);
const jpeg = await readFile(path);
const sender = new NetGearSender({ address: '127.0.0.1', port, pattern: 1, bidirectional_mode: true });

let isWanted = true;
process.once('SIGINT', () => (isWanted = false));
let last;
for (let n = 0; isWanted; n += 1) {
  try {
    const returned = await sender.send(jpeg, { message: { n, t: Date.now() / 1000 } });
    const text = JSON.stringify(returned);
    if (text !== last) console.log('returned', text);
    last = text;
  } catch (error) {
    // No client is connected, or it does not respond. Continue with the next frame.
    console.log(error.code, error.message);
  }
  await delay(1000 / 30);
}
await sender.close();
