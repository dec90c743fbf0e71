/** A short campaign of real kills: `cargo xtask kills` is the long one. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CHROMIUMS, campaign } from '../../xtask/node/kills/campaign.mjs'

for (const backend of CHROMIUMS) {
  test(`a sync that is killed three times while the root moves ends with the true state, with ${backend}`, async () => {
    const plan = {
      backend, kills: 3, accounts: 16_000, seed: 7, throttle: 60_000, lives: [500, 1_800], blockMs: 3_000, share: 0.001, sample: 200,
    }
    const { problems, lives } = await campaign(plan)
    assert.deepEqual(problems, [])
    assert.equal(lives.filter(({ killed }) => killed).length, 3)
  })
}
