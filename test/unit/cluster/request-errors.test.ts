import { errors } from '@nats-io/transport-node';
import { describe, expect, it } from 'vitest';
import { isNoResponders, requestFailure } from '../../../gateway/cluster/request-errors.ts';

const nobody = new errors.NoRespondersError('gearway.session.x');

describe('errors of requests', () => {
  it('recognize that there is no subscriber, by the errors of the real library', () => {
    expect(isNoResponders(nobody)).toBe(true);
    expect(isNoResponders(new errors.RequestError('failed', { cause: nobody }))).toBe(true);
    expect(isNoResponders(new errors.TimeoutError())).toBe(false);
    expect(isNoResponders(null)).toBe(false);
  });

  it('are described without subjects', () => {
    expect(requestFailure(nobody)).toBe('it is not connected to the NATS servers');
    expect(requestFailure(new errors.TimeoutError())).toBe('it does not answer');
    expect(requestFailure(new Error('something else'))).toBe('something else');
  });
});
