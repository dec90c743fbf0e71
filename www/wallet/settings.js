/**
 * What the page's address says: the provider, the network, and what is watched at first.
 *
 * `?provider=wss://…&network=1&genesis=0x…&watch=ADDRESS;SLOT;SLOT;LABEL`. `provider` and `watch`
 * may be there several times. `chain` is the chain's id where it is not the network's. `control` is
 * the URL of a go-between that can be told to lie (`cargo xtask demo --wallet`). `restarts` says
 * that the chain begins anew now and then, as a developer's does.
 */

const HASH = /^0x[0-9a-f]{64}$/i

/**
 * @param {string} search an address's query
 * @returns the settings; `problem` says in words what is wrong with them
 */
export function readSettings(search) {
  const query = new URLSearchParams(search)
  const providers = query.getAll('provider').map((url) => url.trim()).filter(Boolean)
  const [network, genesis] = [query.get('network') ?? '', query.get('genesis') ?? '']
  return {
    providers,
    problem: providers.map(providerProblem).find(Boolean) ?? (providers.length > 0 ? networkProblem(network, genesis) : ''),
    network: { id: Number(network), genesisHash: genesis.toLowerCase(), ...(query.has('chain') ? { chainId: Number(query.get('chain')) } : {}) },
    control: query.get('control'),
    restarts: query.has('restarts'),
    watch: query.getAll('watch').map((text) => {
      const [address, ...rest] = text.split(';')
      return { address, slots: rest.slice(0, -1), label: rest.at(-1) ?? '' }
    }),
  }
}

/** Why a provider's URL cannot work from this page, or an empty text. */
export function providerProblem(text) {
  let url
  try {
    url = new URL(text)
  } catch {
    return `“${text}” is no URL. A provider’s begins with https:// or wss://, for example https://rpc.example/your-key.`
  }
  if (!/^(https?|wss?):$/.test(url.protocol)) return `“${text}” does not begin with https:// or wss://, as a provider’s URL does.`
  const isHere = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  if (location.protocol === 'https:' && /^(http|ws):$/.test(url.protocol) && !isHere) {
    return `This page came over https, so the browser lets it connect to https:// and wss:// only, not to “${text}”.`
  }
  return ''
}

/** Whether a provider is on this machine: asking it costs nobody anything. */
export function isLocal(url) {
  return ['localhost', '127.0.0.1', '[::1]'].includes(new URL(url).hostname)
}

/**
 * Asks a provider which network it is on.
 * @returns the query of this page's address for it
 */
export async function queryFor(url) {
  const [chain, network, genesis] = await Promise.all([
    asked(url, 'eth_chainId', []), asked(url, 'net_version', []), asked(url, 'eth_getBlockByNumber', ['0x0', false]),
  ])
  if (!HASH.test(genesis?.hash)) throw new Error('the provider does not know the network’s first block')
  const query = new URLSearchParams({ provider: url, network: String(Number(network)), genesis: genesis.hash })
  if (BigInt(chain) !== BigInt(network)) query.set('chain', String(Number(chain)))
  return `?${query}`
}

async function asked(url, method, params) {
  const call = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const { result, error } = JSON.parse(await (/^ws/.test(url) ? overSocket : overHttp)(url, call))
  if (error) throw new Error(`it answers “${error.message}” to ${method}`)
  return result
}

async function overHttp(url, body) {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body, credentials: 'omit' }).catch(() => {
    // Browsers do not tell pages which of these it is.
    throw new Error(`it cannot be reached, or it does not let pages of ${location.origin} ask it. Check the URL, and the origins that the provider allows`)
  })
  if (!response.ok) throw new Error(`it answers with HTTP status ${response.status}`)
  return response.text()
}

function overSocket(url, body) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url)
    socket.onopen = () => socket.send(body)
    socket.onclose = () => reject(new Error('it cannot be reached by a WebSocket. Check the URL'))
    socket.onmessage = ({ data }) => {
      resolve(data)
      socket.close()
    }
  })
}

function networkProblem(network, genesis) {
  if (!/^\d+$/.test(network)) return 'The page’s address names no network. Connect to the provider again below, and it is filled in.'
  if (!HASH.test(genesis)) return 'The page’s address does not hold the hash of the network’s first block. Connect to the provider again below, and it is filled in.'
  return ''
}
