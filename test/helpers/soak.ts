/** Duration of long measurements: short by default, `GEARWAY_SOAK_SECONDS=60` for full length. See test/README.md. */
export const SOAK_SECONDS = Number(process.env['GEARWAY_SOAK_SECONDS'] ?? '10');

/** Duration of a silence. A real client times out after 12 s, so shorter silences prove nothing. */
export const QUIET_SECONDS = Math.max(15, SOAK_SECONDS);
