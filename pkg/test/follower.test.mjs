// Tests what a follower asks of the writer for the set, and what becomes of it when the writer goes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Follower } from '../lib/follower.js'
import { MisuseError } from '../lib/errors.js'

const CHANGE = { method: 'track', accounts: Uint8Array.of(1) }

function asking() {
  const posted = []
  const follower = new Follower()
  const answer = follower.ask(CHANGE, (message) => posted.push(message))
  return { follower, posted, answer }
}

test('a change goes to the writer, whose answer to it is the answer', async () => {
  const { follower, posted: [{ type, id, change }], answer } = asking()
  assert.deepEqual([type, change], ['change', CHANGE])
  follower.answered({ id: id + 1, version: 3 })
  follower.answered({ id, version: 7 })
  follower.answered({ id, version: 8 })
  assert.equal(await answer, 7)
})

test("the writer's error keeps its class", async () => {
  const { follower, posted: [{ id }], answer } = asking()
  follower.answered({ id, error: { code: 'SET_TOO_LARGE', message: 'too large' } })
  await assert.rejects(answer, (error) => error instanceof MisuseError && error.code === 'SET_TOO_LARGE')
})

test('a new writer is asked again for what is not answered', async () => {
  const { follower, posted: [first], answer } = asking()
  const again = []
  follower.askAgain((message) => again.push(message))
  assert.deepEqual(again, [first])
  follower.answered({ id: first.id, version: 1 })
  assert.equal(await answer, 1)
  follower.askAgain((message) => again.push(message))
  assert.equal(again.length, 1)
})

test('a follower that becomes the writer makes its changes itself', async () => {
  const { follower, answer } = asking()
  const [{ change, settle }, ...others] = follower.takeChanges()
  assert.deepEqual([change, others], [CHANGE, []])
  settle({ version: 4 })
  assert.equal(await answer, 4)
})

test('closing ends the wait for the writer', async () => {
  const { follower, answer } = asking()
  follower.rejectChanges(new MisuseError('BAD_ARGUMENT', 'closed'))
  await assert.rejects(answer, { code: 'BAD_ARGUMENT' })
  assert.deepEqual(follower.takeChanges(), [])
})
