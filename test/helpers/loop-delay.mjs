// Preloaded into a gateway: prints to stderr, once per second, the lag of its event loop: the 99th percentile
// in ms since the last SIGUSR2, which is sent when the gateway has started.
import { monitorEventLoopDelay } from 'node:perf_hooks';

const delays = monitorEventLoopDelay({ resolution: 1 });
delays.enable();
process.on('SIGUSR2', () => delays.reset());
setInterval(() => process.stderr.write(`loop delay ${(delays.percentile(99) / 1e6).toFixed(2)}\n`), 1000).unref();
