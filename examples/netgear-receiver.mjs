// NetGear client in Node: receives frames from a NetGear server, returns data, and prints the age of each frame.
//   node examples/netgear-receiver.mjs 5567
// The server is examples/netgear-sender.mjs, or in Python:
//   NetGear(address='127.0.0.1', port='5567', pattern=1, bidirectional_mode=True)
import { NetGearReceiver } from 'gearway/netgear';

const [port = '5567'] = process.argv.slice(2);
// The server's message contains the time of capture as `t`.
const receiver = new NetGearReceiver({
  address: '127.0.0.1',
  port,
  pattern: 1,
  bidirectional_mode: true,
  captured_at: 't',
});
await receiver.open();
console.log(`Waiting for a server on port ${port}`);
process.once('SIGINT', () => receiver.close());

receiver.setReturnData({ received: 0 });
for await (const { frame, message, sequence, receivedAtUs, capturedAtUs } of receiver) {
  const age = capturedAtUs === null ? '' : `, ${((receivedAtUs - capturedAtUs) / 1000).toFixed(1)} ms old`;
  console.log(
    `${sequence}: ${frame.width}×${frame.height} ${frame.encoding.kind}, ${frame.payload.byteLength} bytes${age}`,
    message,
  );
  receiver.setReturnData({ received: sequence });
}
console.log(`The stream has ended; ${receiver.dropped} frames were replaced by newer ones`);
