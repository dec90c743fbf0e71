/**
 * Reads what the page's address asks for, and finds what is wrong with it.
 *
 * `?peers=ws://a,wss://b&hash-peers=ws://c&network=1&genesis=0x…` and one of `root=0x…`,
 * `block=0x…` (a block's hash), `follow` (the peers' head, block after block) or `follow=ws://…`
 * (the head of a node that is trusted, by JSON-RPC). `hash-peers` are asked by hash, `peers` by
 * snap. `start` begins at once; `thread=main` works in the page's own thread instead of a worker;
 * `examples=0x…,0x…` are addresses to offer for look-ups.
 */

/** Ethereum mainnet, and the state of its genesis block. */
const MAINNET = {
  network: '1',
  genesis: '0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3',
  root: '0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544',
}
const HASH = /^0x[0-9a-f]{64}$/i
const ADDRESS = /^0x[0-9a-f]{40}$/i

/**
 * @param {string} search an address's query
 * @returns what was asked for, as text and as values; `problems` has a message for each field that
 *   is wrong
 */
export function readTarget(search) {
  const query = new URLSearchParams(search)
  const want = query.has('follow') ? (query.get('follow') ? 'node' : 'follow') : query.has('block') ? 'block' : 'root'
  const fields = {
    peers: listed(query.get('peers')),
    hashPeers: listed(query.get('hash-peers')),
    network: (query.get('network') ?? MAINNET.network).trim(),
    genesis: (query.get('genesis') ?? MAINNET.genesis).trim(),
    want,
    hash: (query.get(want === 'node' ? 'follow' : want) ?? (want === 'root' ? MAINNET.root : '')).trim(),
  }
  const problems = problemsOf(fields)
  if (['root', 'block', 'follow'].filter((name) => query.has(name)).length > 1) {
    problems.want = 'The address names more than one of root, block and follow. It can have only one.'
  }
  return {
    fields,
    problems,
    /** The peers, with how each is asked, as the package's `addPeer` takes it. */
    peers: [...fields.peers.map((url) => ({ url, by: 'snap' })), ...fields.hashPeers.map((url) => ({ url, by: 'hash' }))],
    network: { id: Number(fields.network), genesisHash: fields.genesis.toLowerCase() },
    follow: want === 'follow' || want === 'node',
    /** The node whose head is followed, if it is not the peers' head. */
    node: want === 'node' ? fields.hash : undefined,
    /** The target as the package's `sync` takes it; nothing if a head is followed. */
    sync: { root: { root: fields.hash.toLowerCase() }, block: { blockHash: fields.hash.toLowerCase() } }[want],
    start: query.has('start'),
    thread: query.get('thread') === 'main' ? 'main' : 'worker',
    examples: listed(query.get('examples')).filter((address) => ADDRESS.test(address)),
  }
}

/** Returns the query of an address that asks for this. */
export function writeTarget({ peers, hashPeers, network, genesis, want, hash }) {
  const query = new URLSearchParams({ peers: peers.join(',') })
  if (hashPeers.length > 0) query.set('hash-peers', hashPeers.join(','))
  query.set('network', network)
  query.set('genesis', genesis)
  query.set(want === 'node' ? 'follow' : want, want === 'follow' ? '' : hash)
  query.set('start', '')
  // Colons, slashes and commas are allowed in a query, and people can read an address without
  // escapes.
  return `?${query}`.replace(/%2C/g, ',').replace(/%3A/g, ':').replace(/%2F/g, '/').replace(/=(?=&|$)/g, '')
}

/** Splits a text of addresses or URLs, one a line or with commas between them. */
export function listed(text) {
  return (text ?? '').split(/[\s,]+/).filter(Boolean)
}

/** Returns a message for each field that is wrong. */
export function problemsOf({ peers, hashPeers, network, genesis, want, hash }) {
  const problems = {}
  for (const [name, urls] of Object.entries({ peers, hashPeers })) {
    const wrong = urls.map(peerProblem).find(Boolean)
    if (wrong) problems[name] = wrong
  }
  if (!/^\d+$/.test(network) || !Number.isSafeInteger(Number(network))) {
    problems.network = `A network id is a whole number, such as 1 for mainnet; not “${network}”.`
  }
  if (!HASH.test(genesis)) problems.genesis = hashProblem('The genesis block’s hash', genesis)
  if (want === 'root' && !HASH.test(hash)) problems.hash = hashProblem('A state root', hash)
  if (want === 'block' && !HASH.test(hash)) problems.hash = hashProblem('A block’s hash', hash)
  if (want === 'node' && !/^(wss?|https?):\/\/./.test(hash)) problems.hash = 'A node’s JSON-RPC has a URL with ws://, wss://, http:// or https://.'
  return problems
}

/** Returns why a peer's URL cannot work from this page, or nothing. */
export function peerProblem(text) {
  let url
  try {
    url = new URL(text)
  } catch {
    return `“${text}” is no URL. A peer’s begins with ws:// or wss://, for example ws://127.0.0.1:8580/.`
  }
  if (/^https?:$/.test(url.protocol)) return `“${text}” is a web page’s URL. A peer’s begins with ws:// or wss://.`
  if (!/^wss?:$/.test(url.protocol)) return `“${text}” does not begin with ws:// or wss://, as a peer’s URL does.`
  if (url.hash) return `“${text}” has a part behind #, which a WebSocket’s URL cannot have.`
  const here = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  if (location.protocol === 'https:' && url.protocol === 'ws:' && !here) {
    return `This page came over https, so the browser only lets it connect to wss:// peers, not to “${text}”.`
  }
}

function hashProblem(what, text) {
  const digits = text.replace(/^0x/i, '').length
  const found = text === '' ? 'nothing is given' : /^(0x)?[0-9a-f]*$/i.test(text) ? `this has ${digits} digits` : 'this has other characters'
  return `${what} is 0x and 64 hexadecimal digits; ${found}.`
}
