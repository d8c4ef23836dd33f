import { describe, expect, it } from 'vitest';
import { TrustedNames } from '../../gateway/http/request-origin.ts';

const names = new TrustedNames({ host: '127.0.0.1', allowOrigins: ['https://good.example'] });

describe('TrustedNames.isAnonymousEmbedding', () => {
  const img = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' };

  it.each([
    ['an <img> of another site', img],
    ['an <img> of another port of this machine', { ...img, 'sec-fetch-site': 'same-site' }],
    ['a <script> of another site', { ...img, 'sec-fetch-dest': 'script' }],
    ['a site of a kind that is not known yet', { ...img, 'sec-fetch-site': 'elsewhere' }],
  ])('is true for %s', (_name, headers) => {
    expect(names.isAnonymousEmbedding(headers)).toBe(true);
  });

  it.each([
    ['an <img> of our own page', { ...img, 'sec-fetch-site': 'same-origin' }],
    ['a picture that a person opens', { ...img, 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }],
    ['a link on another site', { ...img, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }],
    ['<img crossorigin>, whose Origin is checked', { ...img, 'sec-fetch-mode': 'cors', origin: 'https://evil.example' }],
    ['what has an Origin, which is checked', { ...img, origin: 'https://evil.example' }],
    ['a WebSocket', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'websocket', origin: 'https://good.example' }],
    ['a program', {}],
    ['a browser that tells no site', { 'sec-fetch-mode': 'no-cors' }],
  ])('is false for %s', (_name, headers) => {
    expect(names.isAnonymousEmbedding(headers)).toBe(false);
  });
});
