import { describe, expect, it } from 'vitest';
import { GearwayError } from '../../../../shared/errors.ts';
import { explainConnectionError } from '../../../../gateway/sources/mjpeg/http-failure.ts';

const coded = (code: string, message = 'x'): Error => Object.assign(new Error(message), { code });

describe('explainConnectionError', () => {
  it.each([
    [coded('ENOTFOUND'), 'unknown host name (http://cam: ENOTFOUND)'],
    [coded('EAI_AGAIN'), 'unknown host name (http://cam: EAI_AGAIN)'],
    [coded('EHOSTUNREACH'), 'the host cannot be reached (http://cam: EHOSTUNREACH)'],
    [coded('ETIMEDOUT'), 'the server no longer responds (http://cam: ETIMEDOUT)'],
    // A name with two addresses.
    [
      new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')]),
      'nothing is listening at this address (http://cam: ECONNREFUSED)',
    ],
    [coded('SOMETHING'), 'the connection failed (http://cam: SOMETHING)'],
    [new Error('x'), 'the connection failed (http://cam)'],
    [new GearwayError('source-failed', 'no response within 10 s'), 'no response within 10 s (http://cam)'],
  ])('%s', (error, sentence) => {
    expect(explainConnectionError(error, 'http://cam')).toMatchObject({ code: 'source-failed', message: sentence });
  });

  it.each([
    'SELF_SIGNED_CERT_IN_CHAIN',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'CERT_HAS_EXPIRED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  ])('contains the remedy for %s', (code) => {
    expect(explainConnectionError(coded(code, 'the reason'), 'https://cam').message).toMatch(
      /certificate=any \(https:\/\/cam: the reason\)$/,
    );
  });
});
