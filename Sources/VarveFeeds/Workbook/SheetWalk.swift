import CXML

/// The state of a `SheetReader` while its part is parsed: where it stands, and what it has read
/// (ISO/IEC 29500-1, 18.3.1).
struct SheetWalk {
  var page = SheetPage()
  private(set) var hiddenRows = 0
  private(set) var hiddenColumns = 0
  private(set) var mergedRanges: [MergedRange] = []
  /// Columns with numbers that are shown with zeros in front, and how many digits their format shows.
  private(set) var digitsShown: [Int: Int] = [:]
  private(set) var problem: (cell: String?, what: String)?
  /// While set, a wrong cell is only noted, for what is read can be taken back.
  var isTentative = false
  private(set) var hasFailedTentatively = false

  private let limits: WorkbookLimits
  private let strings: SharedStrings.Table
  private let formats: NumberFormats
  private let meanings: [NumberMeaning]
  /// Without styles a cell may name any.
  private let hasStyles: Bool
  private let from1904: Bool
  private var parser: xmlParserCtxtPtr?
  private var names: Names?

  private var place = Place.document
  /// How many elements deep we are in one that says nothing to us.
  private var elementsSkipped = 0
  private var row = 0
  /// Of the cell at hand, or the last one of the row; 0 at its beginning.
  private var column = 0
  private var type = CellType.number
  private var style = 0
  private var hasValue = false
  private var hasInline = false
  private var hasFormula = false
  private var keepsBlanks = false
  /// The text of the element at hand.
  private var raw = GrowingBytes()
  /// What the cell's `v` says.
  private var value = GrowingBytes()
  /// What the cell's `is` says.
  private var inline = GrowingBytes()
  /// What the cell's `f` says.
  private var formula = GrowingBytes()

  private enum Place {
    case document, worksheet, columns, rows, row, cell, value, formula, inline, inlineText, run, runText, mergedCells
  }

  private enum CellType { case number, sharedText, text, inlineText, boolean, error, iso }

  private struct Names {
    let cell, value, formula, row, inline, text, run, reference, style, type, rows, worksheet,
      space: UnsafePointer<xmlChar>
    let columns, column, mergedCells, mergedCell, range, hidden, first, last: UnsafePointer<xmlChar>
    let spreadsheet: SpreadsheetNamespaces
  }

  init(limits: WorkbookLimits, strings: SharedStrings.Table, formats: NumberFormats, from1904: Bool) {
    self.limits = limits
    self.strings = strings
    self.formats = formats
    meanings = formats.meanings ?? []
    hasStyles = formats.meanings != nil
    self.from1904 = from1904
  }

  mutating func prepare(_ parser: XMLPushParser) {
    self.parser = parser.context
    names = Names(
      cell: parser.interned("c"), value: parser.interned("v"), formula: parser.interned("f"),
      row: parser.interned("row"), inline: parser.interned("is"), text: parser.interned("t"), run: parser.interned("r"),
      reference: parser.interned("r"), style: parser.interned("s"), type: parser.interned("t"),
      rows: parser.interned("sheetData"), worksheet: parser.interned("worksheet"), space: parser.interned("space"),
      columns: parser.interned("cols"), column: parser.interned("col"), mergedCells: parser.interned("mergeCells"),
      mergedCell: parser.interned("mergeCell"), range: parser.interned("ref"), hidden: parser.interned("hidden"),
      first: parser.interned("min"), last: parser.interned("max"), spreadsheet: SpreadsheetNamespaces(parser))
  }

  /// Where reading can go back to, between two rows.
  struct Mark {
    fileprivate let row, column, hiddenRows, cells, bytes: Int
  }

  var mark: Mark {
    Mark(row: row, column: column, hiddenRows: hiddenRows, cells: page.cells.count, bytes: page.bytes.count)
  }

  mutating func goBack(to mark: Mark) {
    row = mark.row
    column = mark.column
    hiddenRows = mark.hiddenRows
    page.cells.truncate(to: mark.cells)
    page.bytes.truncate(to: mark.bytes)
    hasFailedTentatively = false
  }

  /// Whether what comes next are rows, spelled without a prefix.
  var standsBeforeRows: Bool { place == .rows && elementsSkipped == 0 }

  func deallocate() {
    page.deallocate()
    raw.deallocate()
    value.deallocate()
    inline.deallocate()
    formula.deallocate()
  }

  @inline(__always)
  mutating func start(_ name: UnsafePointer<xmlChar>, _ namespace: UnsafePointer<xmlChar>?, _ attributes: XMLAttributes)
  {
    let names = names.unsafelyUnwrapped
    guard elementsSkipped == 0, names.spreadsheet.contains(namespace) else {
      elementsSkipped += 1
      return
    }
    switch place {
    case .row where name == names.cell: beginCell(attributes)
    case .cell where name == names.value:
      if hasValue { stop("has two values") }
      hasValue = true
      beginText(.value, attributes)
    case .cell where name == names.formula:
      hasFormula = true
      beginText(.formula, attributes)
    case .cell where name == names.inline:
      if hasInline { stop("has two texts") }
      hasInline = true
      place = .inline
    case .rows where name == names.row: beginRow(attributes)
    case .inline where name == names.text: beginText(.inlineText, attributes)
    case .inline where name == names.run: place = .run
    case .run where name == names.text: beginText(.runText, attributes)
    case .worksheet where name == names.rows: place = .rows
    case .worksheet where name == names.columns: place = .columns
    case .worksheet where name == names.mergedCells: place = .mergedCells
    case .document where name == names.worksheet: place = .worksheet
    case .document: stop("is no worksheet: its root element is another", cell: nil)
    default:
      if place == .columns, name == names.column {
        readColumns(attributes)
      } else if place == .mergedCells, name == names.mergedCell {
        readMergedRange(attributes)
      }
      elementsSkipped = 1
    }
  }

  @inline(__always)
  mutating func end() {
    guard elementsSkipped == 0 else {
      elementsSkipped -= 1
      return
    }
    switch place {
    case .value:
      swap(&raw, &value)
      place = .cell
    case .formula:
      swap(&raw, &formula)
      place = .cell
    case .cell:
      if hasInline {
        addInline()
      } else if hasValue || hasFormula {
        endCell(value.view, formula: hasFormula ? formula.view : nil)
      }
      place = .row
    case .row: place = .rows
    case .inlineText, .runText:
      appendInline(raw.view, keepsBlanks: keepsBlanks)
      place = place == .inlineText ? .inline : .run
    case .run: place = .inline
    case .inline: place = .cell
    case .rows, .columns, .mergedCells: place = .worksheet
    case .worksheet, .document: place = .document
    }
  }

  @inline(__always)
  mutating func characters(_ characters: UnsafePointer<xmlChar>, _ count: Int) {
    switch place {
    case .value, .formula, .inlineText, .runText:
      guard elementsSkipped == 0 else { return }
      raw.append(characters, count)
      if raw.count + inline.count > limits.cellBytesMax { stop("holds more than \(limits.cellBytesMax) bytes of text") }
    default: return
    }
  }

  private mutating func beginText(_ place: Place, _ attributes: XMLAttributes) {
    self.place = place
    raw.removeAll()
    keepsBlanks = attributes.count > 0 && attributes.keepsBlanks(names.unsafelyUnwrapped.space)
  }

  private mutating func beginRow(_ attributes: XMLAttributes) {
    let names = names.unsafelyUnwrapped
    var reference: UnsafeBufferPointer<UInt8>?
    var hidden: UnsafeBufferPointer<UInt8>?
    for index in 0..<attributes.count where attributes.namespace(index) == nil {
      switch attributes.name(index) {
      case names.reference: reference = attributes.value(index)
      case names.hidden: hidden = attributes.value(index)
      default: break
      }
    }
    beginRow(reference: reference, hidden: hidden)
    place = .row
  }

  /// A row begins, with those attributes as spelled; without a reference it follows the one before.
  @inline(__always)
  mutating func beginRow(reference: UnsafeBufferPointer<UInt8>?, hidden: UnsafeBufferPointer<UInt8>?) {
    var number = row + 1
    if let reference {
      guard let given = CellReference.number(reference), given <= CellReference.rowsMax else {
        return stop("a row is numbered \"\(spelled(reference))\", but they go from 1 to 1048576", cell: nil)
      }
      guard given > row else { return stop("row \(given) comes after row \(row)", cell: nil) }
      number = given
    }
    if let hidden, isTrue(hidden) { hiddenRows += 1 }
    guard number <= CellReference.rowsMax else { return stop("has more than 1048576 rows", cell: nil) }
    row = number
    column = 0
  }

  @inline(__always)
  private mutating func beginCell(_ attributes: XMLAttributes) {
    let names = names.unsafelyUnwrapped
    var reference: UnsafeBufferPointer<UInt8>?
    var style: UnsafeBufferPointer<UInt8>?
    var type: UnsafeBufferPointer<UInt8>?
    for index in 0..<attributes.count where attributes.namespace(index) == nil {
      let name = attributes.name(index)
      if name == names.reference {
        reference = attributes.value(index)
      } else if name == names.style {
        style = attributes.value(index)
      } else if name == names.type {
        type = attributes.value(index)
      }
    }
    beginCell(reference: reference, style: style, type: type)
    hasValue = false
    hasFormula = false
    value.removeAll()
    place = .cell
  }

  /// A cell begins, with those attributes as spelled; without a reference it follows the one before.
  @inline(__always)
  mutating func beginCell(
    reference: UnsafeBufferPointer<UInt8>?, style: UnsafeBufferPointer<UInt8>?, type: UnsafeBufferPointer<UInt8>?
  ) {
    let previous = column
    column += 1
    self.type = .number
    self.style = 0
    hasInline = false
    inline.removeAll()
    if let reference {
      guard let given = CellReference.parse(reference) else {
        return stop("cell \"\(spelled(reference))\" lies outside of A1 to XFD1048576", cell: "row \(row)")
      }
      guard given.row == row else { return stop("cell \(spelled(reference)) stands in row \(row)", cell: nil) }
      guard given.column > previous else {
        let last = CellReference.name(row: row, column: previous)
        return stop("cell \(spelled(reference)) comes after cell \(last)", cell: nil)
      }
      column = given.column
    } else if column > CellReference.columnsMax {
      return stop("row \(row) has more than 16384 cells", cell: nil)
    }
    if let style {
      guard let number = digits(style) else {
        return stop("names the style \"\(spelled(style))\", which is no number")
      }
      self.style = number
    }
    if let type {
      guard let known = cellType(type) else { return stop("has the unknown type \"\(spelled(type))\"") }
      self.type = known
    }
  }

  /// A whole number of at most nine digits.
  @inline(__always)
  private func digits(_ text: UnsafeBufferPointer<UInt8>) -> Int? {
    guard text.count > 0, text.count <= 9 else { return nil }
    var number = 0
    for byte in text {
      guard byte &- UInt8(ascii: "0") <= 9 else { return nil }
      number = number * 10 + Int(byte &- UInt8(ascii: "0"))
    }
    return number
  }

  private func spelled(_ text: UnsafeBufferPointer<UInt8>) -> String {
    String(decoding: text.prefix(40), as: UTF8.self)
  }

  @inline(__always)
  private func cellType(_ name: UnsafeBufferPointer<UInt8>) -> CellType? {
    if name.count == 1 {
      switch name[0] {
      case UInt8(ascii: "s"): return .sharedText
      case UInt8(ascii: "n"): return .number
      case UInt8(ascii: "b"): return .boolean
      case UInt8(ascii: "e"): return .error
      case UInt8(ascii: "d"): return .iso
      default: return nil
      }
    }
    if name.elementsEqual("str".utf8) { return .text }
    return name.elementsEqual("inlineStr".utf8) ? .inlineText : nil
  }

  private func isTrue(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
    value.elementsEqual("1".utf8) || value.elementsEqual("true".utf8) || value.elementsEqual("on".utf8)
  }

  /// The cell is complete, and its `v` (empty if there is none) and `f` say that: adds it to the page, unless it is empty.
  ///
  /// A formula whose result is the empty text keeps it: `t="str"` with nothing in `v`.
  @inline(__always)
  mutating func endCell(_ value: UnsafeBufferPointer<UInt8>, formula: UnsafeBufferPointer<UInt8>?) {
    if let formula, type != .text, type != .error, trimmed(value).isEmpty { return addFormula(formula) }
    switch type {
    case .number: addNumber(value)
    case .sharedText: addShared(value)
    case .text, .inlineText: addText(value)
    case .boolean: addBoolean(value)
    case .error: addError(value)
    case .iso: addISO(value)
    }
  }

  @inline(__always)
  private mutating func addNumber(_ value: UnsafeBufferPointer<UInt8>) {
    let spelling = trimmed(value)
    guard spelling.count > 0 else { return }
    let start = page.bytes.count
    if style < meanings.count {
      let meaning = meanings[style]
      if meaning == .zeros {
        noteZeros(spelling)
      } else if meaning != .number {
        guard let days = CellNumber.value(spelling) else { return stopAtNumber(spelling) }
        if let kind = SerialDate.append(days, meaning, from1904: from1904, to: &page.bytes) {
          return add(kind, from: start)
        }
      }
    } else if hasStyles, style > 0 || !meanings.isEmpty {
      return stop("names style \(style), but the workbook has \(meanings.count)")
    }
    guard CellNumber.append(spelling, to: &page.bytes) else { return stopAtNumber(spelling) }
    add(.number, from: start)
  }

  private mutating func noteZeros(_ spelling: UnsafeBufferPointer<UInt8>) {
    guard let shown = formats.digitsShown[style], spelling.count < shown,
      spelling.allSatisfy({ $0 &- UInt8(ascii: "0") <= 9 })
    else { return }
    digitsShown[column] = shown
  }

  private mutating func stopAtNumber(_ spelling: UnsafeBufferPointer<UInt8>) {
    stop("holds \"\(spelled(spelling))\", which is no number of a spreadsheet")
  }

  @inline(__always)
  private mutating func addShared(_ value: UnsafeBufferPointer<UInt8>) {
    let spelling = trimmed(value)
    guard spelling.count > 0 else { return }
    guard let index = digits(spelling), index < strings.count else {
      return stop("refers to shared string \"\(spelled(spelling))\", but there are \(strings.count), counted from 0")
    }
    guard let isEmpty = try? strings.isEmpty(index) else {
      return stop("refers to a shared string that cannot be read back from its temporary file")
    }
    if isEmpty { return }
    page.cells.append(
      SheetCell(row: UInt32(row), column: UInt16(column), kind: .sharedText, start: UInt32(index), count: 0))
  }

  private mutating func addText(_ value: UnsafeBufferPointer<UInt8>) {
    let start = page.bytes.count
    // Blanks in the result of a formula stay: Excel marks none of them, and both openpyxl and calamine keep them.
    CellText.append(value, keepsBlanks: true, to: &page.bytes)
    addText(from: start)
  }

  /// The cell is complete, and its text was given by `appendInline`.
  mutating func addInline() {
    let start = page.bytes.count
    page.bytes.append(inline.view)
    addText(from: start)
  }

  /// A `t` of the cell's own text says that.
  mutating func appendInline(_ raw: UnsafeBufferPointer<UInt8>, keepsBlanks: Bool) {
    CellText.append(raw, keepsBlanks: keepsBlanks, to: &inline)
  }

  private mutating func addText(from start: Int) {
    let count = page.bytes.count - start
    guard count > 0 else { return }
    if count > limits.cellCharactersMax,
      CellText.characterCount(page.bytes.view(start..<page.bytes.count)) > limits.cellCharactersMax
    {
      return stop("holds more than \(limits.cellCharactersMax) characters")
    }
    add(.text, from: start)
  }

  private mutating func addBoolean(_ value: UnsafeBufferPointer<UInt8>) {
    let spelling = trimmed(value)
    guard spelling.count > 0 else { return }
    let start = page.bytes.count
    if spelling.elementsEqual("1".utf8) || spelling.elementsEqual("true".utf8) {
      page.bytes.append("true")
    } else if spelling.elementsEqual("0".utf8) || spelling.elementsEqual("false".utf8) {
      page.bytes.append("false")
    } else {
      return stop("holds \"\(spelled(spelling))\", which is neither true nor false")
    }
    add(.boolean, from: start)
  }

  private mutating func addError(_ value: UnsafeBufferPointer<UInt8>) {
    let spelling = trimmed(value)
    let start = page.bytes.count
    if spelling.count > 0 { page.bytes.append(spelling) } else { page.bytes.append("#NULL!") }
    add(.error, from: start)
  }

  private mutating func addFormula(_ text: UnsafeBufferPointer<UInt8>) {
    let start = page.bytes.count
    page.bytes.append("=")
    page.bytes.append(text)
    add(.formula, from: start)
  }

  private mutating func addISO(_ value: UnsafeBufferPointer<UInt8>) {
    let spelling = trimmed(value)
    guard spelling.count > 0 else { return }
    let start = page.bytes.count
    guard let kind = ISODate.append(spelling, to: &page.bytes) else {
      let text = spelled(spelling)
      return stop("holds \"\(text)\", which is no ISO 8601 date, time or duration")
    }
    add(kind, from: start)
  }

  @inline(__always)
  private mutating func add(_ kind: CellKind, from start: Int) {
    page.cells.append(
      SheetCell(
        row: UInt32(row), column: UInt16(column), kind: kind, start: UInt32(start),
        count: UInt32(page.bytes.count - start)))
  }

  @inline(__always)
  private func trimmed(_ text: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
    var start = 0
    var end = text.count
    while start < end, CellText.isBlank(text[start]) { start += 1 }
    while end > start, CellText.isBlank(text[end - 1]) { end -= 1 }
    return UnsafeBufferPointer(rebasing: text[start..<end])
  }

  private mutating func readColumns(_ attributes: XMLAttributes) {
    let names = names.unsafelyUnwrapped
    var isHidden = false
    var first = 0
    var last = 0
    for index in 0..<attributes.count where attributes.namespace(index) == nil {
      switch attributes.name(index) {
      case names.hidden: isHidden = isTrue(attributes.value(index))
      case names.first: first = CellReference.number(attributes.value(index)) ?? 0
      case names.last: last = CellReference.number(attributes.value(index)) ?? 0
      default: break
      }
    }
    if isHidden, first > 0, last >= first, last <= CellReference.columnsMax { hiddenColumns += last - first + 1 }
  }

  private mutating func readMergedRange(_ attributes: XMLAttributes) {
    for index in 0..<attributes.count where attributes.name(index) == names.unsafelyUnwrapped.range {
      let value = attributes.value(index)
      let colon = value.firstIndex(of: UInt8(ascii: ":")) ?? value.count
      let first = CellReference.parse(UnsafeBufferPointer(rebasing: value[..<colon]))
      let last =
        colon < value.count ? CellReference.parse(UnsafeBufferPointer(rebasing: value[(colon + 1)...])) : first
      guard let first, let last, first.row <= last.row, first.column <= last.column else {
        return stop("merges the cells \"\(attributes.text(index))\", which is no range", cell: nil)
      }
      mergedRanges.append(
        MergedRange(firstRow: first.row, lastRow: last.row, firstColumn: first.column, lastColumn: last.column))
      if mergedRanges.count > limits.mergedRangesMax {
        stop("merges cells in more than \(limits.mergedRangesMax) places", cell: nil)
      }
    }
  }

  private mutating func stop(_ what: String) {
    stop(what, cell: "cell " + CellReference.name(row: row, column: column))
  }

  @inline(never)
  private mutating func stop(_ what: String, cell: String?) {
    guard !isTentative else {
      hasFailedTentatively = true
      return
    }
    if problem == nil { problem = (cell, what) }
    if let parser { XMLPushParser.stop(parser, .stoppedByReader) }
  }
}
