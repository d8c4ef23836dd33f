/** How the picture lies in its box. */
export type Fit = 'contain' | 'cover' | 'none';

export const FITS: readonly Fit[] = ['contain', 'cover', 'none'];
