/** viem, ethers and wagmi take our provider by their own types. It is compiled, never run. */

import { createConfig, getBlockNumber, type Config } from '@wagmi/core'
import { BrowserProvider, type Eip1193Provider as EthersProvider } from 'ethers'
import type { Snaplight } from 'snaplight'
import { createProvider } from 'snaplight/provider'
import { createPublicClient, custom, type EIP1193Provider as ViemProvider, type PublicClient } from 'viem'
import { mainnet } from 'viem/chains'

export async function libraries(db: Snaplight): Promise<bigint> {
  const provider = createProvider(db)

  const client: PublicClient = createPublicClient({ chain: mainnet, transport: custom(provider) })
  const balance = await client.getBalance({ address: '0x5abfec25f74cd88437631a7731906932776356f9' })

  const ethers = new BrowserProvider(provider satisfies EthersProvider)
  const nonce = await ethers.getTransactionCount('0x5abfec25f74cd88437631a7731906932776356f9')

  const config: Config = createConfig({ chains: [mainnet], transports: { [mainnet.id]: custom(provider) } })
  return balance + BigInt(nonce) + (await getBlockNumber(config))
}

/** The other way round: what they call a provider is one of ours. */
export function peers(db: Snaplight, wallet: ViemProvider, injected: EthersProvider): void {
  const client = createPublicClient({ transport: custom(wallet) })
  for (const provider of [wallet, injected, client]) db.addPeer(provider)
  db.follow([wallet, client])
  createProvider(db, { fallback: client })
}
