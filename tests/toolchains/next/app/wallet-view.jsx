'use client'

import { useEffect, useState } from 'react'
import { readInBoth, wanted } from '../wallet.js'

export default function Wallet() {
  const [text, show] = useState('')
  useEffect(() => {
    // React calls this twice while developing.
    window.found ??= readInBoth(wanted())
    window.found.then((found) => show(JSON.stringify(found)))
  }, [])
  return <p>{text}</p>
}
