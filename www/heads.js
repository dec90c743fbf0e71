/**
 * Tells the newest block: the one that the peers announce, or that of a node that the user trusts.
 */

/** How often a node is asked that cannot be reached, or that tells nothing by itself. */
const ASK_EVERY_MS = 1_000
const SILENCE_MS = 10_000

/**
 * The highest block that a peer says it has. Nothing proves it before its header is fetched; then
 * its hash does.
 */
export function announcedHead(db) {
  let highest
  for (const { stats } of db.peers) {
    if (stats.state === 'ready' && stats.head && !(stats.head.number <= highest?.number)) highest = stats.head
  }
  return highest
}

/**
 * The head of a node, by JSON-RPC: over a WebSocket it tells each new one, over HTTP it is asked.
 *
 * @param {string} url
 * @returns {{head: () => {number: number, hash: string} | undefined, trouble: () => string}}
 *   `trouble`: why there is none
 */
export function trustedHead(url) {
  let head
  let trouble = ''
  const take = (block) => {
    if (!block?.hash) return
    head = { number: Number(block.number), hash: block.hash }
    trouble = ''
  }
  const fail = (why) => {
    trouble = `The node at ${new URL(url).host} does not say what its head is: ${why}.`
  }
  if (/^wss?:/.test(url)) listen(url, take, fail)
  else ask(url, take, fail)
  return { head: () => head, trouble: () => trouble }
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
