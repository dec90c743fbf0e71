// The version of this package, which a page and its worker have to share.

import { LoadError } from './errors.js'

export const version = '0.1.1'

/** The error of a page and a worker of which one is this version. */
export function otherVersion(theirs) {
  return new LoadError(
    'LOAD_FAILED',
    `The page and its worker run different versions of Snaplight: ${version} here, ${typeof theirs === 'string' ? theirs : 'one that does not say, because it is older,'} there. ` +
      'Serve both from one version of the package, clear what caches the older one, and reload the page.',
  )
}
