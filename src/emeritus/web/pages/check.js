// Checks an essay in the reader's browser: its raw text, the words kept of it, the entries about it, the tree
// and the signature, as docs/reference/record.md describes them. What `emeritus verify` does, done a second time.
// Nothing that the server answers is believed; only this script is, and that comes from the same server.

const WIDTH = 256
const TEXT = 8 << 20
const UTTERANCE = 32 << 20
const NOTE = 1 << 17
const KINDS = [
  "drafted", "compared", "redraft_asked", "held", "approved", "noted", "note_withdrawn", "veto_proposed",
  "veto_withdrawn", "vetoed", "published",
]
const encoder = new TextEncoder()
const strict = new TextDecoder("utf-8", {fatal: true, ignoreBOM: true})

export class NotSound extends Error {}
export class Unsupported extends Error {}
export class Missing extends Error {}

function hold(condition, sentence) {
  if (!condition) throw new NotSound(sentence)
}

// ---- bytes ----

function text(bytes) {
  try {
    return strict.decode(bytes)
  } catch {
    throw new NotSound("What is served is no text.")
  }
}

function json(bytes) {
  try {
    return JSON.parse(text(bytes))
  } catch {
    throw new NotSound("What is served is no JSON.")
  }
}

const hex = bytes => Array.from(bytes, byte => byte.toString(16).padStart(2, "0")).join("")
const base64 = bytes => btoa(String.fromCharCode(...bytes))

function bytesOf(written) {
  try {
    const bytes = Uint8Array.from(atob(written), letter => letter.charCodeAt(0))
    hold(base64(bytes) === written, "")
    return bytes
  } catch {
    throw new NotSound("Something is not written in base64.")
  }
}

function join(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at])
const sha256 = async bytes => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))
const named = async bytes => `sha256:${hex(await sha256(bytes))}`

// RFC 8785: keys sorted by UTF-16 code units, which is how sort() compares; the rest is what JSON.stringify does.
export function canonical(value) {
  if (value === null || typeof value !== "object") return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`
  return `{${Object.keys(value).sort().map(name => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`
}

// ---- the tree (RFC 6962, tiles as in C2SP tlog-tiles) ----

const leafHash = data => sha256(join(Uint8Array.of(0), data))
const pairHash = (left, right) => sha256(join(Uint8Array.of(1), left, right))

function tilePath(level, position, width) {
  let place = String(position % 1000).padStart(3, "0")
  for (let rest = Math.floor(position / 1000); rest; rest = Math.floor(rest / 1000))
    place = `x${String(rest % 1000).padStart(3, "0")}/${place}`
  return `record/tile/${level}/${place}${width === WIDTH ? "" : `.p/${width}`}`
}

// The largest power of two below a number of leaves.
function below(count) {
  let half = 1
  while (half * 2 < count) half *= 2
  return half
}

// MTH of the leaves [begin, end), where the tiles have the hash of each 1, 256, 65536… in a row.
async function rangeHash(tree, begin, end) {
  for (let level = 0, width = 1; width <= end - begin; level += 1, width *= WIDTH)
    if (width === end - begin) return tree.node(level, begin / width)
  const half = below(end - begin)
  return pairHash(await rangeHash(tree, begin, begin + half), await rangeHash(tree, begin + half, end))
}

class Tree {
  constructor(fetcher, size) {
    Object.assign(this, {fetcher, size, tiles: new Map()})
  }

  async node(level, index) {
    const position = Math.floor(index / WIDTH)
    const key = `${level}/${position}`
    if (!this.tiles.has(key)) {
      const width = Math.min(WIDTH, Math.floor(this.size / WIDTH ** level) - position * WIDTH)
      const tile = await tileOf(this.fetcher, level, position, width, WIDTH * 32)
      hold(tile.length >= width * 32, `The tile ${tilePath(level, position, width)} is cut off.`)
      this.tiles.set(key, tile)
    }
    return this.tiles.get(key).slice((index % WIDTH) * 32, (index % WIDTH + 1) * 32)
  }

  // The root that a leaf leads to, with the hashes beside its way taken from the tiles.
  async rootFrom(leaf, index) {
    const climb = async (begin, end) => {
      if (end - begin === 1) return leaf
      const middle = begin + below(end - begin)
      return index < middle
        ? pairHash(await climb(begin, middle), await rangeHash(this, middle, end))
        : pairHash(await rangeHash(this, begin, middle), await climb(middle, end))
    }
    return climb(0, this.size)
  }
}

async function tileOf(fetcher, level, position, width, most) {
  try {
    return await fetcher(tilePath(level, position, width), most)
  } catch (why) {
    if (!(why instanceof Missing) || width === WIDTH) throw why
    return fetcher(tilePath(level, position, WIDTH), most)
  }
}

// ---- keys and notes (C2SP signed-note) ----

export async function parseKey(written) {
  const [, name, id, rest] = /^([^\s+]{1,200})\+([0-9a-f]{8})\+(\S+)$/.exec(written) ?? []
  hold(rest, "This is no key.")
  const raw = bytesOf(rest)
  hold(raw.length === 33 && raw[0] === 1, "This is no Ed25519 key.")
  const digest = await sha256(join(encoder.encode(`${name}\n`), raw))
  hold(hex(digest.slice(0, 4)) === id, "The key's id is not its own.")
  return {name, id, written, raw: raw.slice(1)}
}

function parseNote(note) {
  const at = note.lastIndexOf("\n\n")
  hold(at > 0 && note.endsWith("\n") && !/[\0-\x09\x0b-\x1f]/.test(note), "This is not a signed note.")
  const lines = note.slice(at + 2, -1).split("\n")
  hold(lines.length <= 64, "The note has too many signatures.")
  const signatures = lines.map(line => {
    const [, name, rest] = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? []
    hold(rest, "This is not a signature line of a note.")
    const raw = bytesOf(rest)
    hold(raw.length > 4, "A signature is cut off.")
    return {name, id: hex(raw.slice(0, 4)), data: raw.slice(4)}
  })
  return {text: note.slice(0, at + 1), signatures}
}

async function verified(key, signature, message) {
  let made
  try {
    made = await crypto.subtle.importKey("raw", key.raw, {name: "Ed25519"}, false, ["verify"])
  } catch (why) {
    if (why.name === "NotSupportedError") throw new Unsupported()
    return false
  }
  return signature.length === 64 && crypto.subtle.verify({name: "Ed25519"}, made, signature, encoder.encode(message))
}

const of = (key, note) => note.signatures.filter(each => each.name === key.name && each.id === key.id)

async function isSignedBy(key, note) {
  const own = of(key, note)
  for (const each of own) if (!(await verified(key, each.data, note.text))) return false
  return own.length > 0
}

function parseCheckpoint(written) {
  const [origin, size, root, ...more] = written.slice(0, -1).split("\n")
  hold(origin && /^(0|[1-9]\d{0,14})$/.test(size) && root && more.every(Boolean), "This is no checkpoint.")
  const hash = bytesOf(root)
  hold(hash.length === 32, "The root is none.")
  return {origin, size: Number(size), root: hash}
}

// ---- the record ----

class PublishedRecord {
  constructor(fetcher) {
    this.fetcher = fetcher
    this.bundles = new Map()
  }

  static async open(fetcher, trusted) {
    const record = new PublishedRecord(fetcher)
    const note = parseNote(text(await fetcher("record/checkpoint", NOTE)))
    Object.assign(record, parseCheckpoint(note.text))
    record.tree = new Tree(fetcher, record.size)
    record.key = await record.follow(trusted)
    hold(await isSignedBy(record.key, note), "The checkpoint is not signed by the key in force.")
    hold(record.origin === record.key.name, "The checkpoint is that of another record.")
    return record
  }

  // The key in force, from the one that is trusted: each hands over to the next, on the record.
  async follow(trusted) {
    let listed
    try {
      listed = text(await this.fetcher("record/rotations", NOTE)).split(/\s+/).filter(Boolean)
    } catch (why) {
      if (why instanceof Missing) return trusted
      throw why
    }
    hold(listed.length <= 1000 && listed.every(line => /^\d{1,15}$/.test(line)), "The list of rotations is none.")
    let key = trusted
    for (const seq of [...new Set(listed.map(Number))].sort((a, b) => a - b)) {
      if (seq >= this.size) continue
      const entry = await this.entry(seq)
      if (entry.kind !== "record_key.rotated" || entry.body?.old !== key.written) continue
      const next = await parseKey(String(entry.body.new))
      const note = parseNote(String(entry.body.note))
      const said = `emeritus key rotation v1\n${key.name}\n${seq}\n${key.written}\n${next.written}\n`
      hold(note.text === said && next.name === key.name, `The rotation in entry ${seq} says something else.`)
      hold(
        (await isSignedBy(key, note)) && (await isSignedBy(next, note)),
        `The rotation in entry ${seq} was not signed by the key before it.`,
      )
      key = next
    }
    return key
  }

  async entry(seq) {
    hold(Number.isSafeInteger(seq) && seq >= 0 && seq < this.size, "There is no such entry.")
    const data = await this.data(seq)
    const root = await this.tree.rootFrom(await leafHash(data), seq)
    hold(same(root, this.root), `Entry ${seq} does not stand in the record that was signed.`)
    const entry = json(data)
    hold(entry?.v === 1 && entry.seq === seq && canonical(entry) === text(data), `Entry ${seq} is none.`)
    return entry
  }

  async data(seq) {
    const position = Math.floor(seq / WIDTH)
    if (!this.bundles.has(position)) this.bundles.set(position, await this.bundle(position))
    const rows = this.bundles.get(position)
    return rows ? rows[seq % WIDTH] : this.fetcher(`record/${seq}.json`, 1 << 20)
  }

  async bundle(position) {
    const width = Math.min(WIDTH, this.size - position * WIDTH)
    let all
    try {
      all = await tileOf(this.fetcher, "entries", position, width, WIDTH * 65537)
    } catch (why) {
      if (why instanceof Missing) return null // one of them is too long for it
      throw why
    }
    const rows = []
    for (let at = 0; at < all.length; ) {
      const end = at + 2 + all[at] * 256 + all[at + 1]
      hold(end <= all.length, "A bundle of entries is cut off.")
      rows.push(all.slice(at + 2, end))
      at = end
    }
    hold(rows.length >= width, "A bundle has too few entries.")
    return rows
  }
}

// ---- the essay ----

// Returns what was found, or throws: NotSound, Unsupported, Missing (the server has no such file).
export async function checkEssay(fetcher, essay, trusted) {
  const record = await PublishedRecord.open(fetcher, trusted)
  const raw = await fetcher(`column/essays/${essay}.txt`, TEXT)
  const listed = json(await fetcher(`column/essays/${essay}.json`, 1 << 16))?.entries
  hold(Array.isArray(listed) && listed.length <= 500 && listed.every(Number.isSafeInteger), "The list of entries is none.")
  const entries = []
  for (const seq of [...new Set(listed)].sort((a, b) => a - b)) entries.push(await record.entry(seq))
  for (const each of entries) {
    const [noun, verb] = String(each.kind).split(".")
    hold(each.subject === essay && noun === "essay" && KINDS.includes(verb), "Entries that are said to be about it are not.")
  }
  const drafts = entries.filter(each => each.kind === "essay.drafted")
  const published = entries.filter(each => each.kind === "essay.published")
  const draft = chosen(entries, drafts)
  const edition = published.at(-1)
  hold(draft && entries[0] === drafts[0], "The record does not say that it was drafted.")
  hold(edition && published.length === 1, "The record does not say that anybody published it.")
  hold(drafts.every((each, at) => each.body.attempt === at + 1), "The record leaves out an attempt.")
  hold(draft.seq < edition.seq, "The record has the publication before the draft.")
  hold(draft.body.spoken === true, "The record tells two stories of who wrote it.")
  hold((await named(raw)) === edition.body.text_digest, "The raw text is not the one that was published.")
  hold(edition.body.utterance === draft.body.utterance, "The record publishes other words than those that were drafted.")
  const data = await fetcher(`utterances/${draft.body.utterance}`, UTTERANCE)
  hold((await named(data)) === draft.body.utterance, "These are not the words that were said.")
  const words = json(data)
  hold(same(encoder.encode(words.text), raw), "The raw text differs from what the model said.")
  hold(words.model === draft.model && edition.model === draft.model, "Another model said these words.")
  const prompt = encoder.encode(canonical(words.prompt))
  hold((await named(prompt)) === draft.body.prompt_digest, "The words came from another prompt than the record says.")
  return {record, draft, edition, raw: text(raw), bytes: raw.length}
}

// Returns the draft that counts: the one that the model chose after the last of them, else the first with words.
function chosen(entries, drafts) {
  const choices = entries.filter(each => each.kind === "essay.compared" && each.body.taken !== null)
  const choice = choices.filter(each => each.seq > drafts.at(-1)?.seq).at(-1)
  return choice ? drafts[choice.body.taken - 1] : drafts.find(each => each.body.spoken === true) ?? drafts.at(-1)
}

// ---- the words on the page ----

const HIDDEN =
  /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu
const SYNTAX = /[\s!-/:-@[-`{-~]/gu
// What Markdown may leave out when it is shown: the numbers of items, the address of a link, its reference and the
// definition of that, the name of a code block, the label of a title; and entities, which it shows decoded.
const SPECIAL = new RegExp(
  [
    "^[ \\t>*+-]*(?<ordinals>(?:\\d{1,9}[.)](?:[ \\t>*+-]+|$))+)",
    "\\]\\(\\s*(?:<[^>\\n]*>|(?:[^\\s()]|\\([^\\s()]*\\))*)(?:\\s+(?:\"[^\"]*\"|'[^']*'|\\([^)]*\\)))?\\s*\\)",
    "\\]\\[[^\\]\\n]*\\]",
    "^ {0,3}\\[[^\\]\\n]+\\]:[^\\n]*$",
    "^[ \\t>]*(?:```+|~~~+)[^\\n]*$",
    "^\\W*title\\s*:",
    "(?<entity>&(?:#x[0-9a-f]{1,6}|#\\d{1,7}|[a-z][a-z0-9]{1,31});)",
  ].join("|"),
  "gimu",
)

const visible = raw =>
  raw
    .replace(/\r\n/g, "\n")
    .replace(HIDDEN, letter => `⟨U+${letter.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`)

function decoded(entity) {
  const area = document.createElement("textarea") // its content is text: nothing in it is ever run
  area.innerHTML = entity
  return area.value
}

const letters = written => written.replace(SYNTAX, "")

// A raw Markdown text in parts, each a list of what the page may show for it.
function parts(raw) {
  const found = []
  const source = visible(raw)
  let at = 0
  for (const match of source.matchAll(SPECIAL)) {
    const {ordinals, entity} = match.groups
    found.push([letters(source.slice(at, match.index))])
    if (entity) found.push([letters(decoded(entity)), letters(entity)])
    else if (ordinals) for (const each of ordinals.match(/\d+/g)) found.push(["", each])
    else found.push(["", letters(match[0])])
    at = match.index + match[0].length
  }
  found.push([letters(source.slice(at))])
  return found
}

// Null when the words shown are those of the raw text; else where they part.
export function difference(shown, raw) {
  const seen = letters(shown)
  let places = new Set([0])
  let farthest = 0
  for (const choices of parts(raw)) {
    const next = new Set()
    for (const place of places)
      for (const wanted of choices) {
        if (seen.startsWith(wanted, place)) next.add(place + wanted.length)
        let agree = 0
        while (agree < wanted.length && seen[place + agree] === wanted[agree]) agree += 1
        farthest = Math.max(farthest, place + agree)
      }
    if (!next.size) return seen.slice(Math.max(0, farthest - 12), farthest + 12)
    places = next
  }
  return places.has(seen.length) ? null : seen.slice(Math.max(...places), Math.max(...places) + 24)
}

// ---- the page ----

export function fetching(base) {
  return async (path, most) => {
    const stop = new AbortController()
    const late = setTimeout(() => stop.abort(), 60_000)
    try {
      const answer = await fetch(base + path.split("/").map(encodeURIComponent).join("/"), {
        signal: stop.signal,
        redirect: "error",
        credentials: "omit",
        cache: "no-cache",
      })
      if (answer.status === 404 || answer.status === 410) throw new Missing(path)
      if (!answer.ok) throw new TypeError(`${path}: ${answer.status}`)
      const pieces = []
      let length = 0
      for (let reader = answer.body.getReader(), piece; !(piece = await reader.read()).done; ) {
        length += piece.value.length
        if (length > most) {
          stop.abort()
          throw new NotSound(`${path} has more bytes than it can have.`)
        }
        pieces.push(piece.value)
      }
      return join(...pieces)
    } finally {
      clearTimeout(late)
    }
  }
}

// The first key that this browser saw here; it has to stay, as for `emeritus verify`.
async function firstKey(fetcher, base) {
  const served = text(await fetcher("record/keys", NOTE)).split("\n").filter(Boolean)
  hold(served.length, "This site names no key.")
  const name = `emeritus key ${base}`
  let known = null
  try {
    known = localStorage.getItem(name)
    if (!known) localStorage.setItem(name, served[0])
  } catch {} // a browser that keeps nothing: then nothing is compared
  hold(!known || served.includes(known), "This site shows another key than the one that this browser saw first.")
  return {key: await parseKey(known ?? served[0]), isNew: !known}
}

export async function verdict(fetcher, essay, base, shown, title) {
  try {
    const {key, isNew} = await firstKey(fetcher, base)
    const found = await checkEssay(fetcher, essay, key)
    const {record, draft, edition} = found
    let apart = difference(shown, found.raw)
    if (apart !== null && difference(`${title} ${shown}`, found.raw) === null) apart = null
    if (apart !== null)
      throw new NotSound(`The words on this page are not those of the raw text, near “${apart}”.`)
    const who = edition.by.slice(edition.by.indexOf(":") + 1)
    return {
      sound: true,
      sentence:
        `Sound: ${draft.model} wrote this text on ${draft.at.slice(0, 10)}, ${found.bytes} bytes, and nobody edited it; ` +
        `this page shows its words; ${who} published it, entry ${edition.seq} of ${record.size}, ` +
        `signed by ${record.key.name}+${record.key.id}${isNew ? ", a key that this browser had not seen before" : ""}.`,
    }
  } catch (why) {
    if (why instanceof NotSound) return {sound: false, sentence: `Not sound: ${why.message}`}
    if (why instanceof Unsupported)
      return {sound: null, sentence: "This browser cannot check Ed25519 signatures. Take a newer one, or the command below."}
    if (why instanceof Missing) return {sound: null, sentence: `Not checked: the site does not have ${why.message}.`}
    if (why.name === "AbortError" || why.name === "TypeError" && /fetch|network|load|: \d{3}$/i.test(why.message))
      return {sound: null, sentence: "Not checked: the site does not answer. Try again later."}
    return {sound: false, sentence: "Not sound: what is served is not written as a house writes it."}
  }
}

function begin(place) {
  const button = place.querySelector("button")
  const says = place.querySelector("[aria-live]")
  place.hidden = false
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled")) return
    button.setAttribute("aria-disabled", "true")
    says.className = ""
    says.textContent = "Checking…"
    const base = location.pathname.slice(0, location.pathname.indexOf("/column/essays/") + 1)
    const words = document.querySelector("article.essay > .body").textContent
    const heading = document.getElementById("title").textContent
    const secure = globalThis.isSecureContext && crypto.subtle
    const found = secure
      ? await verdict(fetching(base), place.dataset.essay, location.origin + base, words, heading)
      : {sound: null, sentence: "This browser checks signatures on secure pages (https) only. Take the command below."}
    says.textContent = found.sentence
    says.className = found.sound === null ? "unknown" : found.sound ? "sound" : "unsound"
    button.removeAttribute("aria-disabled")
  })
}

const place = globalThis.document?.getElementById("check")
if (place) begin(place)
