/// Reads rows of the shape that almost all writers give them, straight from the bytes, several times as fast as XML can
/// be parsed.
///
/// It knows rows, cells, values, formulas and plain inline text without prefixes, the attributes that the standard gives
/// them, and character references. Whatever else it meets, and whatever would be an error, is *unusual*: the row is taken
/// back and left, with all that follows, to the XML parser, which never saw the rows before and need not, for each
/// of them was whole. So every row that the scanner accepts must be well-formed, and say to `SheetWalk` what the parser
/// would have said; `WorkbookScannerTests` holds the two against each other.
struct RowScanner {
  /// Whether `x14ac:dyDescent`, which Excel gives to every row, is an attribute whose prefix was declared.
  let knowsDescent: Bool
  /// Texts put together from pieces.
  private var text = GrowingBytes()
  private let limits: WorkbookLimits

  init(knowsDescent: Bool, limits: WorkbookLimits) {
    self.knowsDescent = knowsDescent
    self.limits = limits
  }

  func deallocate() { text.deallocate() }

  /// Zeros that must follow the bytes to be scanned, so that looking a little ahead needs no bounds.
  static let padding = 16

  /// Scans whole rows.
  ///
  /// - Returns: the bytes that were read, and whether the next ones are for the XML parser; if not, more are needed.
  mutating func scan(
    _ bytes: UnsafeBufferPointer<UInt8>, into walk: inout SheetWalk
  ) -> (bytesRead: Int, isUnusual: Bool) {
    guard let base = bytes.baseAddress else { return (0, false) }
    let end = base + bytes.count
    var cursor = Cursor(at: base, end: end)
    walk.isTentative = true
    defer { walk.isTentative = false }
    while true {
      cursor.skipBlanks()
      let start = cursor.at
      guard start < end else { return (start - base, false) }
      let mark = walk.mark
      if cursor.take("<row"), row(&cursor, &walk), !walk.hasFailedTentatively { continue }
      walk.goBack(to: mark)
      // Only what ran out of bytes may turn out to be usual.
      return (start - base, !cursor.ranOut)
    }
  }

  // Each reads one thing and says whether it was of the known shape; the cursor knows whether it ran out of bytes.

  private mutating func row(_ cursor: inout Cursor, _ walk: inout SheetWalk) -> Bool {
    let start = cursor.at
    var reference: UnsafeBufferPointer<UInt8>?
    var hidden: UnsafeBufferPointer<UInt8>?
    var seen: UInt32 = 0
    while cursor.nextAttribute() {
      guard let name = cursor.attributeName(), let value = cursor.attributeValue() else { return false }
      let bit: UInt32
      if name.count == 1, name[0] == UInt8(ascii: "r") {
        bit = 1
        reference = value
      } else if let index = Self.rowAttributes.firstIndex(where: { matches(name, $0) }) {
        bit = 2 << UInt32(index)
        if index == 0 { hidden = value }
        if index == 1, !knowsDescent { return false }
      } else {
        return false
      }
      guard seen & bit == 0 else { return false }
      seen |= bit
    }
    guard cursor.at - start <= limits.xml.markupBytesMax else { return false }
    walk.beginRow(reference: reference, hidden: hidden)
    if cursor.take("/>") { return true }
    guard cursor.take(">") else { return false }
    while true {
      cursor.skipBlanks()
      if cursor.take("<c") {
        guard cell(&cursor, &walk), !walk.hasFailedTentatively else { return false }
      } else {
        return cursor.take("</row>")
      }
    }
  }

  private mutating func cell(_ cursor: inout Cursor, _ walk: inout SheetWalk) -> Bool {
    let start = cursor.at
    var reference: UnsafeBufferPointer<UInt8>?
    var style: UnsafeBufferPointer<UInt8>?
    var type: UnsafeBufferPointer<UInt8>?
    while cursor.nextAttribute() {
      guard let name = cursor.attributeName(), let value = cursor.attributeValue(), name.count == 1 else {
        return false
      }
      // Each is known once: another one of the name is an error.
      switch name[0] {
      case UInt8(ascii: "r") where reference == nil: reference = value
      case UInt8(ascii: "s") where style == nil: style = value
      case UInt8(ascii: "t") where type == nil: type = value
      default: return false
      }
    }
    guard cursor.at - start <= limits.xml.markupBytesMax else { return false }
    walk.beginCell(reference: reference, style: style, type: type)
    if cursor.take("/>") { return true }
    guard cursor.take(">") else { return false }
    var value: UnsafeBufferPointer<UInt8>?
    var formula: UnsafeBufferPointer<UInt8>?
    var hasInline = false
    while true {
      cursor.skipBlanks()
      if cursor.take("<v>") {
        guard value == nil, !hasInline, let found = plainOrPieced(&cursor), cursor.take("</v>") else { return false }
        value = found
      } else if cursor.take("<v/>") {
        guard value == nil, !hasInline else { return false }
        value = UnsafeBufferPointer(start: cursor.at, count: 0)
      } else if cursor.take("</c>") {
        if hasInline {
          walk.addInline()
        } else if value != nil || formula != nil {
          walk.endCell(value ?? UnsafeBufferPointer(start: nil, count: 0), formula: formula)
        }
        return true
      } else if cursor.take("<f") {
        // The value comes after it, so that the text has room for both; who keeps the formula has no value.
        guard value == nil, formula == nil, let found = self.formula(&cursor) else { return false }
        formula = found
      } else if cursor.take("<is><t") {
        guard value == nil, !hasInline, inlineText(&cursor, &walk) else { return false }
        hasInline = true
      } else {
        return false
      }
    }
  }

  private mutating func formula(_ cursor: inout Cursor) -> UnsafeBufferPointer<UInt8>? {
    let start = cursor.at
    var seen: UInt32 = 0
    while cursor.nextAttribute() {
      guard let name = cursor.attributeName(), cursor.attributeValue() != nil,
        let index = Self.formulaAttributes.firstIndex(where: { matches(name, $0) }), seen & 1 << UInt32(index) == 0
      else { return nil }
      seen |= 1 << UInt32(index)
    }
    guard cursor.at - start <= limits.xml.markupBytesMax else { return nil }
    if cursor.take("/>") { return UnsafeBufferPointer(start: cursor.at, count: 0) }
    guard cursor.take(">") else { return nil }
    guard let text = plainOrPieced(&cursor), text.count <= limits.cellBytesMax, cursor.take("</f>") else { return nil }
    return text
  }

  private mutating func inlineText(_ cursor: inout Cursor, _ walk: inout SheetWalk) -> Bool {
    let keepsBlanks = cursor.take(" xml:space=\"preserve\"")
    guard cursor.take(">"), let text = plainOrPieced(&cursor), cursor.take("</t></is>") else { return false }
    walk.appendInline(text, keepsBlanks: keepsBlanks)
    return true
  }

  /// Text up to the next tag: the bytes themselves, or put together in `text` if there are references in it.
  private mutating func plainOrPieced(_ cursor: inout Cursor) -> UnsafeBufferPointer<UInt8>? {
    var piece = cursor.plainText()
    guard cursor.at.pointee != UInt8(ascii: "<") || cursor.at >= cursor.end else { return piece }
    text.removeAll()
    while true {
      text.append(piece)
      guard text.count <= limits.cellBytesMax else { return nil }
      switch cursor.at.pointee {
      case UInt8(ascii: "<") where cursor.at < cursor.end: return text.view
      case UInt8(ascii: "&"):
        guard let scalar = cursor.reference(), let encoded = UTF8.encode(scalar) else { return nil }
        for byte in encoded { text.append(byte) }
      case 0x80...:
        guard let character = cursor.character() else { return nil }
        text.append(character)
      default:
        cursor.noteEnd()
        return nil
      }
      piece = cursor.plainText()
    }
  }

  private func matches(_ name: UnsafeBufferPointer<UInt8>, _ known: StaticString) -> Bool {
    name.elementsEqual(UnsafeBufferPointer(start: known.utf8Start, count: known.utf8CodeUnitCount))
  }

  /// Beside `r`; the first two mean something here.
  private static let rowAttributes: [StaticString] = [
    "hidden", "x14ac:dyDescent", "spans", "s", "customFormat", "ht", "customHeight", "outlineLevel", "collapsed",
    "thickTop", "thickBot", "ph",
  ]
  private static let formulaAttributes: [StaticString] = [
    "t", "ref", "si", "ca", "aca", "bx", "dt2D", "dtr", "del1", "del2", "r1", "r2",
  ]
}
