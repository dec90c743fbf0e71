/**
 * What JSON-RPC providers do beside the specification: each oddity, limit, failure and lie that
 * `docs/providers.md` names, as a mode of the test provider.
 *
 * A mode is an object with some of these:
 * - `refuse(request, provider)` throws an `RpcError` instead of an answer;
 * - `choose(block, request, provider)` answers of another block than was asked for;
 * - `proof(answer, request, provider)`, `code(...)` and `header(...)` change an answer;
 * - `line`: what is wrong with the line and not with an answer (`serve.mjs` says what there can be).
 */

import { EMPTY_CODE, EMPTY_ROOT, quantity } from './chain.mjs'

const ZERO_HASH = `0x${'00'.repeat(32)}`

/** An error as JSON-RPC has it. */
export class RpcError extends Error {
  constructor(code, message, data) {
    super(message)
    this.code = code
    this.data = data
  }
}

/** Answers that are written oddly, and mean the same. A sync ends as if nothing were odd. */
export const ODDITIES = {
  'as go-ethereum answers': {},
  'hashes of zeros for an absent account (go-ethereum, Erigon, Alchemy)': ifAbsent({ codeHash: ZERO_HASH, storageHash: ZERO_HASH }),
  'hashes of nothing for an absent account (Infura, older Reth)': ifAbsent({ codeHash: EMPTY_CODE, storageHash: EMPTY_ROOT }),
  '["0x80"] as the proof in an empty trie (older Reth)': eachProof((proof) => (proof.length === 0 ? ['0x80'] : proof)),
  'null as an empty proof (older Erigon)': eachProof((proof) => (proof.length === 0 ? null : proof)),
  'items 0x at the end of proofs (Nethermind)': eachProof((proof) => [...proof, '0x', '0x']),
  'leading zeros in values (Nethermind)': eachSlot((slot) => ({ ...slot, value: slot.value.replace('0x', '0x00') })),
  'keys without 0x (Besu)': eachSlot((slot) => ({ ...slot, key: BigInt(slot.key).toString(16) })),
  'keys as numbers without leading zeros (Besu)': eachSlot((slot) => ({ ...slot, key: quantity(slot.key) })),
  'keys as whole bytes (Besu)': eachSlot((slot) => ({ ...slot, key: wholeBytes(slot.key) })),
  'the slots in another order': { proof: (answer) => ({ ...answer, storageProof: [...answer.storageProof].reverse() }) },
  'nodes in another order': eachProof((proof) => [...proof].reverse()),
  'each node twice': eachProof((proof) => proof.flatMap((node) => [node, node])),
  'one node more than the path has (Reth)': { proof: (answer, _, { neighbours }) => ({ ...answer, accountProof: [...answer.accountProof, ...neighbours] }) },
  'capital letters': eachProof((proof) => proof.map((node) => `0x${node.slice(2).toUpperCase()}`)),
  'no claims at all, only nodes': {
    proof: ({ accountProof, storageProof }) => ({ accountProof, storageProof: storageProof.map(({ proof }) => ({ proof })) }),
  },
  'numbers instead of text': { proof: (answer) => ({ ...answer, nonce: Number(answer.nonce) }) },
  'fields that nobody knows': { proof: (answer) => ({ ...answer, verified: true, extra: { nested: [1, null] } }) },
  'the block with its transactions, and fields that nobody knows': { header: (header) => ({ ...header, transactions: [{}], uncles: [], size: '0x1', totalDifficulty: '0x0' }) },
  'answers of a batch in another order': { line: { reverse: true } },
  'each answer twice': { line: { twice: true } },
  'answers to questions that nobody asked': { line: { uninvited: true } },
  'the error of one call as null': { line: { nullError: true } },
}

/** Limits, after which a sync goes on with less. */
export const LIMITS = {
  'two storage keys at once (go-ethereum allows 1,024)': {
    refuse: ({ method, params }) => {
      if (method === 'eth_getProof' && params[1].length > 2) throw new RpcError(-32602, `too many storage keys requested (max 2, got ${params[1].length})`)
    },
  },
  'batches of four calls, by -32600': { line: { largestBatch: 4, tooLarge: { code: -32600, message: 'batch too large' } } },
  'batches of four calls, by HTTP status 413': { line: { largestBatch: 4, tooLargeStatus: 413 } },
  'no batches: one error for all': { line: { largestBatch: 1, tooLarge: { code: -32600, message: 'invalid request' } } },
  'no batches: HTTP status 400': { line: { largestBatch: 1, tooLargeStatus: 400 } },
  'answers for two calls of a batch, the others -32003 (go-ethereum)': { line: { answered: 2, otherwise: { code: -32003, message: 'response too large' } } },
  'HTTP status 429 twice, without Retry-After': { line: { status: 429, times: 2 } },
  'HTTP status 429 once, with Retry-After of a second': { line: { status: 429, times: 1, headers: { 'retry-after': '1' } } },
  'error code 429 twice (Alchemy over a WebSocket)': refusing(2, 429, 'Your app has exceeded its compute units per second capacity'),
  'error code -32005 twice': refusing(2, -32005, 'limit exceeded'),
  'HTTP status 503 once': { line: { status: 503, times: 1 } },
  'HTTP status 502 with a page of HTML once': { line: { status: 502, times: 1, body: '<html>bad gateway</html>' } },
  'half a second for each answer': { line: { delayMs: 500 } },
}

/** A state that the provider says it does not have, in each client's words, twice; then it has it. */
export const WINDOWS = Object.fromEntries(Object.entries({
  'go-ethereum, unknown block': [-32000, 'header for hash not found'],
  'go-ethereum, old state': [-32000, 'missing trie node 56e81f (path ) state 0x56e81f is not available, not found'],
  'go-ethereum, history': [-32000, 'historical state is not available'],
  'Reth': [-32602, 'distance to target block exceeds maximum proof window'],
  'Erigon, old block': [-32000, 'requested block is too old, block must be within 100000 blocks of the head block number'],
  'Erigon, root': [-32000, 'root hash mismatch'],
  'Nethermind, older': [-32603, 'Internal error', 'Nethermind.Trie.MissingTrieNodeException: Node A is missing from the DB'],
  'Nethermind, newer': [-32002, 'No state available for block'],
  'a resource that is not found': [-32001, 'resource not found'],
  'a router without data': [-32014, 'missing data'],
  'EIP-4444': [4444, 'pruned history unavailable'],
}).map(([client, error]) => [client, refusing(2, ...error, ['eth_getProof', 'eth_getCode'])]))

/** The same by an answer that is no error (Besu), as often. */
export const WINDOWS_WITHOUT_ERRORS = {
  'null': counted(2, { proof: () => null, code: () => null }),
  'an account of default values without a proof': counted(2, { proof: ({ address }) => ({ address, balance: '0x0', nonce: '0x0', codeHash: ZERO_HASH, storageHash: ZERO_HASH, accountProof: [], storageProof: [] }) }),
  'another block, as behind a load balancer': { ...counted(1, {}), choose: once((block, { chain }) => chain.find(Number(block.header.number) - 1)) },
}

/** What ends the connection to a provider: the sync goes on with others. */
export const CLOSED = {
  'HTTP status 402, credits spent (Infura)': { line: { status: 402, body: JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: 402, message: 'daily request count exceeded' } }) } },
  'HTTP status 401': { line: { status: 401 } },
  'HTTP status 403': { line: { status: 403 } },
  'another chain': { chainId: 5 },
}

/** Answers to `eth_getProof` that prove nothing, or too little. */
export const USELESS_PROOFS = {
  'no eth_getProof': lacking('eth_getProof'),
  'another block, always': { choose: (block, _, { chain }) => chain.find(Math.max(0, Number(block.header.number) - 1)) },
  'no root node': eachProof((proof) => proof.slice(1)),
  'no last node': eachProof((proof) => proof.slice(0, -1)),
  'a changed node': eachProof((proof) => proof.map((node) => `${node.slice(0, -2)}${node.endsWith('00') ? '01' : '00'}`)),
  'an object of something else': { proof: () => ({ hello: ['world', { accountProof: 7 }], accountProof: { length: 3 }, storageProof: 'none' }) },
  'text': { proof: () => 'proof' },
  'nodes that are no hexadecimal digits': eachProof((proof) => proof.map(() => '0xzz')),
}

/** Lines that bring nothing. */
export const DEAD_LINES = {
  'HTML with status 200': { line: { status: 200, body: '<html>welcome</html>' } },
  'HTTP status 500': { line: { status: 500 } },
  'no answer': { line: { silent: true } },
}

/** What a provider has not, and a sync does without it where others have it. */
export const LACKING = {
  'no eth_getCode': lacking('eth_getCode'),
  'no eth_getBlockByHash': lacking('eth_getBlockByHash'),
}

/** Lies beside a right proof, each by one field. */
export const LIES = {
  balance: { proof: (answer) => ({ ...answer, balance: '0x1234567' }) },
  nonce: { proof: (answer) => ({ ...answer, nonce: '0x4d2' }) },
  codeHash: { proof: (answer) => ({ ...answer, codeHash: `0x${'11'.repeat(32)}` }) },
  storageHash: { proof: (answer) => ({ ...answer, storageHash: `0x${'22'.repeat(32)}` }) },
  'a slot': eachSlot((slot) => ({ ...slot, value: '0x1234567' })),
}

/** Answers that are lies themselves. They prove nothing, so nothing of them is taken over. */
export const FORGERIES = {
  'another code': { code: () => '0x600160005260206000f3' },
  'a code that is a number': { code: () => 12 },
  'another header': { header: (header) => ({ ...header, stateRoot: `0x${'33'.repeat(32)}` }) },
  'a header that is a list': { header: () => [] },
}

function ifAbsent(fields) {
  return { proof: (answer, { params: [address] }, { stateOf }) => (stateOf(address) ? answer : { ...answer, ...fields }) }
}

function eachSlot(change) {
  return { proof: (answer) => ({ ...answer, storageProof: answer.storageProof.map(change) }) }
}

function eachProof(change) {
  return {
    proof: (answer) => ({
      ...answer,
      accountProof: change(answer.accountProof),
      storageProof: answer.storageProof.map((slot) => ({ ...slot, proof: change(slot.proof) })),
    }),
  }
}

/** Refuses so many calls of these methods, and then no more. */
function refusing(times, code, message, ...rest) {
  const methods = Array.isArray(rest.at(-1)) ? rest.pop() : ['eth_getProof', 'eth_getCode', 'eth_getBlockByHash', 'eth_chainId']
  return {
    refuse: ({ method }, { count }) => {
      if (methods.includes(method) && count('refusals') <= times) throw new RpcError(code, message, ...rest)
    },
  }
}

/** Changes the first answers of each kind, and then no more. */
function counted(times, changes) {
  return Object.fromEntries(Object.entries(changes).map(([kind, change]) => [
    kind,
    (answer, request, provider) => (provider.count(kind) <= times ? change(answer, request, provider) : answer),
  ]))
}

/** Chooses another block for the first call only. */
function once(choose) {
  return (block, _, provider) => (provider.count('choices') === 1 ? choose(block, provider) : block)
}

function lacking(method) {
  return {
    refuse: (request) => {
      if (request.method === method) throw new RpcError(-32601, `the method ${method} does not exist/is not available`)
    },
  }
}

function wholeBytes(key) {
  const digits = BigInt(key).toString(16)
  return `0x${digits.length % 2 ? '0' : ''}${digits}`
}
