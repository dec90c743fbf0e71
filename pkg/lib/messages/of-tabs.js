// The messages of one tab to the others.

import { isBytes } from '../realms.js'
import { DAMAGED_READS, isCallOf, isError, isMethodOfChange, isNumber, isObject } from './shapes.js'

/**
 * The version of the messages between tabs. It is raised when their shapes change: a page that was
 * loaded before an update has the same database open as one loaded after it.
 */
export const TABS_VERSION = 1

/** The messages of one tab to the others, without their version. */
const TABS = {
  switched: () => true,
  repaired: () => true,
  writer: () => true,
  changed: ({ id, version, error }) => isNumber(id) && (error === undefined ? isNumber(version) : isError(error)),
  damaged: ({ read }) => isCallOf(DAMAGED_READS)(read),
  change: ({ id, change }) => isNumber(id) && isObject(change) && isMethodOfChange(change.method) && isBytes(change.accounts),
}

/** Whether another tab of this version posted it. */
export function isOfTab(data) {
  return isObject(data) && data.protocol === TABS_VERSION && Object.hasOwn(TABS, data.type) && TABS[data.type](data)
}
