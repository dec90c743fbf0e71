/**
 * Finds the newest block: the one that most peers announce, or that of a node that the user trusts.
 */

/** How often a node is asked that has no subscriptions (HTTP) or that cannot be reached. */
const ASK_EVERY_MS = 1_000
/** How long a node may take to answer. */
const SILENCE_MS = 10_000

/**
 * Returns the block in the middle of those that the peers announce: of its number, the one that
 * most of them name. Nothing proves what one peer announces, so as long as fewer than half of the
 * peers lie, they neither choose the number nor hold it back. Of two peers, the lower one counts.
 *
 * A peer by hash names no number before its first announcement, and has no vote until then. If no
 * peer names one, the hash that most of them name is taken, and its number is `null`.
 */
export function announcedHead(db) {
  const heads = db.peers.map(({ stats }) => stats).filter(({ state, head }) => state === 'ready' && head).map(({ head }) => head)
  if (heads.length === 0) return undefined
  const numbers = heads.map(({ number }) => number).filter((number) => number !== null).sort((a, b) => a - b)
  const middle = numbers[(numbers.length - 1) >> 1] ?? null
  const votes = new Map()
  for (const { number, hash } of heads) if (number === middle) votes.set(hash, (votes.get(hash) ?? 0) + 1)
  const [[hash]] = [...votes].sort(([, a], [, b]) => b - a)
  return { number: middle, hash }
}

/**
 * Follows the head of a node by JSON-RPC. Over a WebSocket the node reports each new head, over
 * HTTP it is asked.
 *
 * @param {string} url
 * @returns {{head: () => {number: number, hash: string} | undefined, problem: () => string}}
 *   `problem`: why there is no head, or an empty text
 */
export function trustedHead(url) {
  let head
  let problem = ''
  const take = (block) => {
    if (!block?.hash) return
    head = { number: Number(block.number), hash: block.hash }
    problem = ''
  }
  const fail = (why) => {
    problem = `The node at ${new URL(url).host} does not report its head: ${why}.`
  }
  if (/^wss?:/.test(url)) listen(url, take, fail)
  else ask(url, take, fail)
  return { head: () => head, problem: () => problem }
}

function listen(url, take, fail) {
  const socket = new WebSocket(url)
  const call = (id, method, params) => socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
  socket.onopen = () => {
    call(1, 'eth_getBlockByNumber', ['latest', false])
    call(2, 'eth_subscribe', ['newHeads'])
  }
  socket.onmessage = ({ data }) => {
    const { id, result, params, error } = JSON.parse(data)
    if (error) fail(error.message)
    else take(params?.result ?? (id === 1 ? result : undefined))
  }
  socket.onclose = () => {
    fail('nobody answers there, or it turns this page’s origin away')
    setTimeout(listen, ASK_EVERY_MS, url, take, fail)
  }
}

async function ask(url, take, fail) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_getBlockByNumber', params: ['latest', false] })
  try {
    const answer = await fetch(url, {
      method: 'POST', body, headers: { 'content-type': 'application/json' }, signal: AbortSignal.timeout(SILENCE_MS),
    })
    const { result, error } = await answer.json()
    if (error) fail(error.message)
    else take(result)
  } catch (error) {
    fail(error.message)
  }
  setTimeout(ask, ASK_EVERY_MS, url, take, fail)
}
