import Wallet from './wallet-view'

export default function Page() {
  return <Wallet />
}
