/**
 * An order in which functions compress well: each one follows the one that it is most like, so that
 * what they share is a short way back. Where functions are alike, so are the types of their
 * parameters, which a section before the code lists in the same order.
 */

/** Bytes of the pieces by which functions are compared. Of 3, 4, 5 and 6, the best. */
const PIECE = 4
/** A piece that is in more functions than this says nothing about them. Of 256, 600 and 1,500, the best. */
const COMMON = 600
/** Keeps a function of a few bytes from being like everything. Chosen without a measurement. */
const LEAST = 20

/**
 * Begins with the first body. The next one is always that with the largest share of pieces that the
 * one before has, too, or else the first that is left. Equal bodies give an equal order.
 *
 * @param {Uint8Array[]} bodies
 * @returns {number[]} the indices of all bodies
 */
export function byLikeness(bodies) {
  const pieces = bodies.map(piecesOf)
  const holders = new Map()
  pieces.forEach((held, index) => {
    for (const piece of held) {
      if (!holders.has(piece)) holders.set(piece, [])
      holders.get(piece).push(index)
    }
  })
  const left = new Set(bodies.keys())
  const order = []
  for (let next = 0; left.size > 0; ) {
    order.push(next)
    left.delete(next)
    next = likest(pieces[next], pieces, holders, left) ?? left.values().next().value
  }
  return order
}

function likest(before, pieces, holders, left) {
  const shared = new Map()
  for (const piece of before) {
    const indices = holders.get(piece)
    if (indices.length > COMMON) continue
    for (const index of indices) if (left.has(index)) shared.set(index, (shared.get(index) ?? 0) + 1)
  }
  let best = { share: 0, index: undefined }
  for (const [index, count] of shared) {
    const share = count / (pieces[index].size + LEAST)
    if (share > best.share || (share === best.share && index < best.index)) best = { share, index }
  }
  return best.index
}

/** All that is in `PIECE` bytes of a body in a row, as numbers. */
function piecesOf(body) {
  const pieces = new Set()
  for (let from = 0; from + PIECE <= body.length; from++) {
    let piece = 0
    for (let at = from; at < from + PIECE; at++) piece = piece * 256 + body[at]
    pieces.add(piece)
  }
  return pieces
}
