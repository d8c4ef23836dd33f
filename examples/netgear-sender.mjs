// A NetGear server in Node: sends a JPEG thirty times a second to a NetGear client, and prints what it returns.
//   node examples/netgear-sender.mjs picture.jpg 5567
// In Python: NetGear(address='127.0.0.1', port='5567', pattern=1, receive_mode=True, bidirectional_mode=True), or examples/netgear-receiver.mjs.
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
    // Nobody there, or stopped, or gone: the next frame finds who is there then.
    console.log(error.code, error.message);
  }
  await delay(1000 / 30);
}
await sender.close();
