import CXML
import VarveTables

/// The strings that cells refer to by number (ISO/IEC 29500-1, 18.4), end to end: in memory, or in a temporary file when
/// they are many.
///
/// Rich text is joined; phonetic runs are left out. Counts that the part declares are not read.
final class SharedStrings {
  /// Where a string lies among the bytes of all.
  struct Place: BitwiseCopyable {
    var start, end: UInt32
  }

  private let bytes: GrowingBytes
  private let places: GrowingBuffer<Place>
  /// Borrowed: good as long as the strings are.
  let table: Table

  init() {
    bytes = GrowingBytes()
    places = GrowingBuffer()
    table = Table(bytes: bytes.start, places: places.start, count: 0, spilled: nil)
  }

  private init(_ walk: SharedStringsWalk) {
    if walk.spill == nil {
      bytes = walk.bytes
      places = walk.places
    } else {
      walk.deallocate()
      bytes = GrowingBytes()
      places = GrowingBuffer()
    }
    table = Table(
      bytes: bytes.start, places: places.start, count: walk.count,
      spilled: walk.spill.map {
        (SpilledBlocks($0.bytes, blocksMax: 512), SpilledBlocks($0.places, blocksMax: 256))
      })
  }

  deinit {
    bytes.deallocate()
    places.deallocate()
    table.spilled?.bytes.deallocate()
    table.spilled?.places.deallocate()
  }

  /// The strings without their owner, for loops.
  struct Table: BitwiseCopyable {
    fileprivate let bytes: UnsafePointer<UInt8>
    fileprivate let places: UnsafePointer<Place>
    let count: Int
    fileprivate let spilled: (bytes: SpilledBlocks, places: SpilledBlocks)?

    /// The text of a string that there is, good until the next call.
    @inline(__always)
    func text(_ index: Int) throws -> UnsafeBufferPointer<UInt8> {
      let place = try place(index)
      let count = Int(place.end - place.start)
      guard let spilled else { return UnsafeBufferPointer(start: bytes + Int(place.start), count: count) }
      guard let text = spilled.bytes.bytes(at: Int(place.start), count: count) else { throw Table.cannotBeRead }
      return UnsafeBufferPointer(start: text, count: count)
    }

    @inline(__always)
    func isEmpty(_ index: Int) throws -> Bool {
      let place = try place(index)
      return place.start == place.end
    }

    @inline(__always)
    private func place(_ index: Int) throws -> Place {
      guard let spilled else { return places[index] }
      let stride = MemoryLayout<Place>.stride
      guard let place = spilled.places.bytes(at: index * stride, count: stride) else { throw Table.cannotBeRead }
      return UnsafeRawPointer(place).loadUnaligned(as: Place.self)
    }

    private static var cannotBeRead: Problem {
      Problem(.failed, at: ["the shared strings"], "cannot be read back from their temporary file")
    }
  }

  static func read(_ name: String, in parts: ZipParts) throws -> SharedStrings {
    let part = try parts.open(name)
    let walk = UnsafeMutablePointer<SharedStringsWalk>.allocate(capacity: 1)
    walk.initialize(to: SharedStringsWalk(limits: parts.limits))
    defer {
      walk.pointee.raw.deallocate()
      walk.deinitialize(count: 1)
      walk.deallocate()
    }
    let parser = XMLPushParser(
      state: walk, limits: parts.limits.xml,
      start: { user, name, _, namespace, _, _, count, _, attributes in
        let attributes = XMLAttributes(attributes, count)
        guard let state = XMLPushParser.enter(user, attributes) else { return }
        state.assumingMemoryBound(to: SharedStringsWalk.self).pointee.start(name!, namespace, attributes)
      },
      end: { user, _, _, _ in
        XMLPushParser.leave(user).assumingMemoryBound(to: SharedStringsWalk.self).pointee.end()
      },
      characters: { user, bytes, count in
        XMLPushParser.state(user).assumingMemoryBound(to: SharedStringsWalk.self).pointee
          .characters(bytes!, Int(count))
      })
    walk.pointee.parser = parser.context
    walk.pointee.names = SharedStringsWalk.Names(parser)
    do {
      while let block = try part.next() { try parser.feed(block) }
      try parser.finish()
    } catch {
      walk.pointee.discard()
      guard let failure = error as? XMLFailure else { throw error }
      throw Problem(.failed, at: [parts.file.name, "the shared strings"], walk.pointee.problem ?? failure.sentence)
    }
    guard walk.pointee.spill == nil || walk.pointee.moveOut() else {
      walk.pointee.discard()
      throw cannotBeKept(parts)
    }
    return SharedStrings(walk.pointee)
  }

  private static func cannotBeKept(_ parts: ZipParts) -> Problem {
    Problem(
      .failed, at: [parts.file.name, "the shared strings"], "cannot be kept in a temporary file",
      advice: "make room, or set TMPDIR to a directory that has some")
  }
}

/// The reader's state while the part is parsed: where in `sst`, `si`, `r`, `t` it stands.
private struct SharedStringsWalk {
  let limits: WorkbookLimits
  /// The strings that were not moved out, and their places, counted from the first string of all.
  var bytes = GrowingBytes(capacity: 1 << 16)
  var places = GrowingBuffer<SharedStrings.Place>(capacity: 1 << 12)
  var count = 0
  /// What was moved out, always whole strings.
  var spill: (bytes: StringSpill, places: StringSpill)?
  private var canSpill = true
  /// The text of the `t` at hand.
  var raw = GrowingBytes()
  var parser: xmlParserCtxtPtr?
  var names: Names?
  var problem: String?

  private var place = Place.document
  /// How many elements deep we are in one that says nothing to us.
  private var elementsSkipped = 0
  private var keepsBlanks = false

  private enum Place { case document, strings, item, itemText, run, runText }

  struct Names {
    let strings, item, run, text, space: UnsafePointer<xmlChar>
    let spreadsheet: SpreadsheetNamespaces

    init(_ parser: XMLPushParser) {
      strings = parser.interned("sst")
      item = parser.interned("si")
      run = parser.interned("r")
      text = parser.interned("t")
      space = parser.interned("space")
      spreadsheet = SpreadsheetNamespaces(parser)
    }
  }

  init(limits: WorkbookLimits) { self.limits = limits }

  mutating func start(_ name: UnsafePointer<xmlChar>, _ namespace: UnsafePointer<xmlChar>?, _ attributes: XMLAttributes)
  {
    let names = names.unsafelyUnwrapped
    guard elementsSkipped == 0, names.spreadsheet.contains(namespace) else {
      elementsSkipped += 1
      return
    }
    switch place {
    case .document where name == names.strings: place = .strings
    case .document: stop("are no shared strings: their root element is another")
    case .strings where name == names.item: place = .item
    case .item where name == names.text: beginText(.itemText, attributes)
    case .item where name == names.run: place = .run
    case .run where name == names.text: beginText(.runText, attributes)
    default: elementsSkipped = 1
    }
  }

  mutating func end() {
    guard elementsSkipped == 0 else {
      elementsSkipped -= 1
      return
    }
    switch place {
    case .itemText, .runText:
      CellText.append(raw.view, keepsBlanks: keepsBlanks, to: &bytes)
      if bytes.count + (spill?.bytes.count ?? 0) > limits.sharedStringBytesMax {
        stop("hold more than \(limits.sharedStringBytesMax) bytes of text")
      }
      place = place == .itemText ? .item : .run
    case .run: place = .item
    case .item: endItem()
    case .strings, .document: place = .document
    }
  }

  mutating func characters(_ characters: UnsafePointer<xmlChar>, _ count: Int) {
    guard elementsSkipped == 0, place == .itemText || place == .runText else { return }
    raw.append(characters, count)
    if raw.count > limits.cellBytesMax { stop("hold a string of more than \(limits.cellBytesMax) bytes") }
  }

  private mutating func beginText(_ place: Place, _ attributes: XMLAttributes) {
    self.place = place
    raw.removeAll()
    keepsBlanks = attributes.keepsBlanks(names.unsafelyUnwrapped.space)
  }

  private mutating func endItem() {
    let moved = spill?.bytes.count ?? 0
    let start = places.view.last.map { Int($0.end) - moved } ?? 0
    if bytes.count - start > limits.cellCharactersMax,
      CellText.characterCount(bytes.view(start..<bytes.count)) > limits.cellCharactersMax
    {
      stop("hold a string of more than \(limits.cellCharactersMax) characters, number \(count)")
    }
    places.append(SharedStrings.Place(start: UInt32(moved + start), end: UInt32(moved + bytes.count)))
    count += 1
    if bytes.count + UnsafeRawBufferPointer(places.view).count >= StringSpill.bytesMin, canSpill {
      if spill == nil { beginSpill() }
      if canSpill, !moveOut() { stop("cannot be kept in a temporary file: is the disk full?") }
    }
    if count > limits.sharedStringsMax { stop("are more than \(limits.sharedStringsMax)") }
    place = .strings
  }

  private mutating func beginSpill() {
    guard let bytes = StringSpill() else { return canSpill = false }
    guard let places = StringSpill() else {
      bytes.discard()
      return canSpill = false
    }
    spill = (bytes, places)
  }

  /// False when the disk is full or fails.
  mutating func moveOut() -> Bool {
    guard spill!.bytes.append(bytes.view), spill!.places.append(places.view) else { return false }
    bytes.removeAll()
    places.removeAll()
    return true
  }

  func deallocate() {
    bytes.deallocate()
    places.deallocate()
  }

  func discard() {
    deallocate()
    spill?.bytes.discard()
    spill?.places.discard()
  }

  private mutating func stop(_ problem: String) {
    if self.problem == nil { self.problem = problem }
    if let parser { XMLPushParser.stop(parser, .stoppedByReader) }
  }
}

/// The namespaces that spreadsheet elements live in, transitional and strict, or none at all.
struct SpreadsheetNamespaces {
  private let transitional, strict: UnsafePointer<xmlChar>

  init(_ parser: XMLPushParser) {
    transitional = parser.interned("http://schemas.openxmlformats.org/spreadsheetml/2006/main")
    strict = parser.interned("http://purl.oclc.org/ooxml/spreadsheetml/main")
  }

  @inline(__always)
  func contains(_ namespace: UnsafePointer<xmlChar>?) -> Bool {
    namespace == transitional || namespace == nil || namespace == strict
  }
}

extension XMLAttributes {
  /// Whether `xml:space` asks for it.
  func keepsBlanks(_ space: UnsafePointer<xmlChar>) -> Bool {
    for index in 0..<count where name(index) == space && namespace(index) != nil {
      return value(index).elementsEqual("preserve".utf8)
    }
    return false
  }
}
