import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createGateway } from '../../gateway/create-gateway.ts';
import type { Route } from './world.ts';

/** The part of a Fastify instance that is needed to list its routes. */
interface Instance {
  addHook(
    name: 'onRoute',
    hook: (route: { readonly method: string | readonly string[]; readonly path: string }) => void,
  ): void;
}

/**
 * The routes of the gateway, read from its router: a gateway that does not listen is created, and Fastify announces
 * each instance on a diagnostics channel before its routes are added.
 */
export async function listRoutes(): Promise<readonly Route[]> {
  const routes: Route[] = [];
  const observe = (message: unknown): void => {
    const { fastify } = message as { readonly fastify: Instance };
    fastify.addHook('onRoute', ({ method, path }) =>
      routes.push(...[method].flat().map((name) => ({ method: name, path }))),
    );
  };
  subscribe('fastify.initialization', observe);
  try {
    await using gateway = await createGateway({ source: 'push:' });
    void gateway;
  } finally {
    unsubscribe('fastify.initialization', observe);
  }
  if (routes.length < 10) throw new Error(`the gateway has ${routes.length} routes, expected at least 10`);
  return routes;
}
