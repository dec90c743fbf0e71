/**
 * Finds the newest block: the one that the peers announce, or that of a node that the user trusts.
 */

/** How often a node is asked that has no subscriptions (HTTP) or that cannot be reached. */
const ASK_EVERY_MS = 1_000
/** How long a node may take to answer. */
const SILENCE_MS = 10_000

/**
 * Returns the highest block that a peer has announced. It is not proven before its header is
 * fetched, whose hash proves it.
 */
export function announcedHead(db) {
  let highest
  for (const { stats } of db.peers) {
    if (stats.state === 'ready' && stats.head && !(stats.head.number <= highest?.number)) highest = stats.head
  }
  return highest
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
