import { describe, expect, it } from 'vitest';
import { closeCode } from '../../../../shared/close-code.ts';
import { explain, otherCamera, toConstraints } from '../../../../web/capture/camera.ts';
import { fitShortSide } from '../../../../web/capture/jpeg-encoder.ts';
import { noticeText, stateLabel } from '../../../../web/publisher/publisher-text.ts';

const WISH = { input: 'camera', device: null, facing: null, size: '720p', fps: 15 } as const;

describe('toConstraints', () => {
  it('contains a camera, or its direction, or neither', () => {
    const size = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 15 } };
    expect(toConstraints(WISH)).toEqual(size);
    expect(toConstraints({ ...WISH, facing: 'environment' })).toEqual({
      ...size,
      facingMode: { ideal: 'environment' },
    });
    expect(toConstraints({ ...WISH, facing: 'environment', device: 'a' })).toEqual({
      ...size,
      deviceId: { exact: 'a' },
    });
  });
});

describe('explain', () => {
  it.each([
    ['NotAllowedError', 'camera', 'denied', /allow it in the address bar/],
    ['SecurityError', 'camera', 'denied', /allow it/],
    ['NotAllowedError', 'screen', 'denied', /no screen was selected/],
    ['InvalidStateError', 'screen', 'denied', /use the button/],
    ['NotFoundError', 'camera', 'no-camera', /connect one/],
    ['OverconstrainedError', 'camera', 'no-camera', /choose another/],
    ['NotReadableError', 'camera', 'busy', /another program/],
    ['AbortError', 'screen', 'busy', /^the screen/],
    ['TypeError', 'camera', 'unsupported', /the browser reported: odd/],
  ] as const)('explains %s of a %s: %s', (name, input, code, message) => {
    const error = explain(Object.assign(new Error('odd'), { name }), input);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });
});

describe('fitShortSide', () => {
  it.each([
    [1920, 1080, 720, 1280, 720],
    [1080, 1920, 720, 720, 1280],
    [640, 480, 720, 640, 480],
    [1001, 777, 480, 618, 480],
    [4000, 2, 1, 2000, 2],
  ])('scales %d × %d to a shorter side of %d: %d × %d', (width, height, shortSide, wide, high) => {
    expect(fitShortSide(width, height, shortSide)).toEqual({ width: wide, height: high });
  });
});

describe('otherCamera', () => {
  const cameras = [
    { id: 'a', label: 'A' },
    { id: 'b', label: 'B' },
  ];

  it('is the next camera, or on a phone the one on the other side', () => {
    expect(otherCamera(cameras, null, 'a')).toEqual({ device: 'b', facing: null });
    expect(otherCamera(cameras, null, 'b')).toEqual({ device: 'a', facing: null });
    expect(otherCamera(cameras, 'user', 'a')).toEqual({ device: null, facing: 'environment' });
    expect(otherCamera(cameras.slice(1), 'user', 'a')).toBeNull();
  });
});

describe('noticeText', () => {
  const described = { state: 'idle', reason: '', code: null, input: 'camera', stream: 'yard' } as const;

  it('describes the effect of a button and the reason for a refusal, without technical parts', () => {
    expect(noticeText(described)).toEqual({ title: 'Publish to yard', text: '' });
    expect(
      noticeText({
        ...described,
        state: 'refused',
        code: closeCode.publisherPresent,
        reason: 'the stream has a publisher: a; take over with takeOver=true',
      }),
    ).toEqual({ title: 'Another publisher is active', text: 'the stream has a publisher: a' });
    expect(noticeText({ ...described, state: 'failed', code: 'denied', reason: 'allow it' })).toEqual({
      title: 'Permission denied',
      text: 'allow it',
    });
    expect(noticeText({ ...described, state: 'failed', code: 'busy', input: 'screen' }).title).toBe('No screen');
    expect(stateLabel({ state: 'asking', input: 'screen' })).toBe('Choose a screen');
  });
});
