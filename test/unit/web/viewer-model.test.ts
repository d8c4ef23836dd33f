import { describe, expect, it } from 'vitest';
import { ViewerModel } from '../../../web/viewer/viewer-model.ts';

describe('ViewerModel.setReturnData', () => {
  const model = (): ViewerModel => new ViewerModel(() => undefined);

  it.each([
    ['a value', { speed: 1 }],
    ['a picture that is still being read', new Blob([Uint8Array.of(0xff, 0xd8)], { type: 'image/jpeg' })],
  ])('discards %s that is overtaken by an urgent value of the same task', async (_name, before) => {
    const viewer = model();
    const overtaken = viewer.setReturnData(before, {});
    const stop = viewer.setReturnData({ stop: true }, { urgent: true });
    await expect(overtaken).rejects.toMatchObject({ code: 'superseded' });
    await expect(stop).resolves.toBeUndefined();
  });

  it('keeps a value that is set after an urgent one', async () => {
    const viewer = model();
    const stop = viewer.setReturnData({ stop: true }, { urgent: true });
    const next = viewer.setReturnData({ stop: false }, {});
    await expect(Promise.all([stop, next])).resolves.toBeDefined();
  });
});
