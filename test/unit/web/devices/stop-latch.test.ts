import { describe, expect, it } from 'vitest';
import { StopLatch } from '../../../../web/devices/stop-latch.ts';

describe('StopLatch', () => {
  it('is stopped only after the server has confirmed the stop, and ready only after it has confirmed the reset', () => {
    const latch = new StopLatch();
    expect([latch.state, latch.value]).toEqual(['ready', null]);
    latch.stop();
    expect([latch.state, latch.value]).toEqual(['stopping', true]);
    latch.confirm(false);
    latch.confirm(null);
    expect(latch.state).toBe('stopping');
    expect(latch.clear()).toBe(false);
    latch.confirm(true);
    expect([latch.state, latch.value]).toEqual(['stopped', true]);
    expect(latch.clear()).toBe(true);
    latch.confirm(true);
    latch.confirm(null);
    expect([latch.state, latch.value]).toEqual(['clearing', false]);
    latch.confirm(false);
    expect([latch.state, latch.value]).toEqual(['ready', null]);
  });

  it('stops again while it is being reset, and needs a new confirmation', () => {
    const latch = new StopLatch();
    latch.stop();
    latch.confirm(true);
    latch.clear();
    latch.stop();
    expect([latch.state, latch.value]).toEqual(['stopping', true]);
    latch.confirm(false);
    expect(latch.state).toBe('stopping');
    latch.confirm(true);
    expect(latch.state).toBe('stopped');
  });

  it('adopts the stop of another viewer without requesting one, so that the other viewer can clear it', () => {
    const latch = new StopLatch();
    latch.confirm(true);
    expect([latch.state, latch.value]).toEqual(['stopped', null]);
    latch.confirm(false);
    expect([latch.state, latch.value]).toEqual(['ready', null]);
  });

  it('keeps its own request when another viewer resets the server', () => {
    const latch = new StopLatch();
    latch.stop();
    latch.confirm(true);
    latch.confirm(false);
    expect([latch.state, latch.value]).toEqual(['stopping', true]);
  });
});
