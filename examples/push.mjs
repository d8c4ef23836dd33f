// Runs a gateway, pushes a JPEG at 30 fps, and prints the return data of its clients.
//   node examples/push.mjs picture.jpg
import { readFile } from 'node:fs/promises';
import { createGateway } from 'gearway';

const [path = 'picture.jpg', port = '8080'] = process.argv.slice(2);
const jpeg = await readFile(path);
const gateway = await createGateway({ source: 'push:', port: Number(port), clients: [] });
const { url } = await gateway.listen();
console.log(`Open ${url}`);

let number = 0;
const timer = setInterval(() => {
  number += 1;
  gateway.stream.push(jpeg, { message: { number } });
}, 1000 / 30);

process.once('SIGINT', async () => {
  clearInterval(timer);
  await gateway.close();
});
for await (const { port: from, data } of gateway.stream.returns()) console.log(from, data);
