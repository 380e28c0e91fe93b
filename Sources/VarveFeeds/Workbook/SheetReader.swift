import CXML
import Glibc
import VarveTables

/// One worksheet being read: its part inflated and parsed piece by piece into pages of cells.
///
/// The archive reads one part at a time, so another part opened ends this one.
final class SheetReader {
  let sheet: WorkbookOutline.Sheet
  let strings: SharedStrings
  private let fileName: String
  private let part: ZipPart
  private let parser: XMLPushParser
  private let walk: UnsafeMutablePointer<SheetWalk>
  private(set) var isFinished = false
  private var mode = Mode.prologue
  private let scansRows: Bool
  private var scanner: RowScanner?
  /// Bytes of the sheet that came and are not read: at most a piece of a row, between calls.
  private var unscanned = GrowingBytes(capacity: 1 << 10)
  private let limits: WorkbookLimits

  /// - Parameter scansRows: whether rows of the usual shape may be read past the XML parser.
  init(_ sheet: WorkbookOutline.Sheet, of workbook: WorkbookPackage, scansRows: Bool = true) throws {
    self.sheet = sheet
    self.scansRows = scansRows
    limits = workbook.parts.limits
    fileName = workbook.fileName
    strings = try workbook.sharedStrings()
    part = try workbook.parts.open(sheet.part)
    walk = .allocate(capacity: 1)
    walk.initialize(
      to: SheetWalk(
        limits: workbook.parts.limits, strings: strings.table, formats: workbook.formats,
        from1904: workbook.numbersDatesFrom1904))
    parser = XMLPushParser(
      state: walk, limits: workbook.parts.limits.xml,
      start: { user, name, _, namespace, _, _, count, _, attributes in
        let attributes = XMLAttributes(attributes, count)
        guard let state = XMLPushParser.enter(user, attributes) else { return }
        state.assumingMemoryBound(to: SheetWalk.self).pointee
          .start(name.unsafelyUnwrapped, namespace, attributes)
      },
      end: { user, _, _, _ in
        XMLPushParser.leave(user).assumingMemoryBound(to: SheetWalk.self).pointee.end()
      },
      characters: { user, bytes, count in
        XMLPushParser.state(user).assumingMemoryBound(to: SheetWalk.self).pointee
          .characters(bytes.unsafelyUnwrapped, Int(count))
      })
    walk.pointee.prepare(parser)
  }

  deinit {
    scanner?.deallocate()
    unscanned.deallocate()
    walk.pointee.deallocate()
    walk.deinitialize(count: 1)
    walk.deallocate()
  }

  /// The cells read and not yet removed. What lies in it moves when more is read.
  var page: SheetPage { walk.pointee.page }

  func removePage() { walk.pointee.page.removeAll() }

  var hiddenRows: Int { walk.pointee.hiddenRows }
  var hiddenColumns: Int { walk.pointee.hiddenColumns }
  /// Columns with numbers that are shown with zeros in front, and how many digits their format shows.
  var digitsShown: [Int: Int] { walk.pointee.digitsShown }
  /// Complete once the sheet is finished, for they stand behind the cells.
  var mergedRanges: [MergedRange] { walk.pointee.mergedRanges }

  /// Reads on, adding to the page; false at the end of the sheet, when all of it was found right.
  func readMore() throws -> Bool {
    guard !isFinished else { return false }
    do {
      guard let block = try part.next() else {
        if mode == .scanning { try leaveToParser() }
        try parser.finish()
        isFinished = true
        return false
      }
      switch mode {
      case .prologue: try readPrologue(block)
      case .scanning: try scan(block[...])
      case .parsing: try parser.feed(block)
      }
      return true
    } catch let failure as XMLFailure {
      throw problem(failure)
    }
  }

  private enum Mode { case prologue, scanning, parsing }

  /// What comes before the rows is for the parser. It also says whether the rows are spelled as the scanner expects.
  private func readPrologue(_ block: UnsafeRawBufferPointer) throws {
    guard scansRows, let rows = endOfFirst("<sheetData>", in: block) else { return try parser.feed(block) }
    try parser.feed(UnsafeRawBufferPointer(rebasing: block[..<rows]))
    guard walk.pointee.standsBeforeRows, parser.standsBetweenTags, parser.readsUTF8 else {
      mode = .parsing
      return try parser.feed(UnsafeRawBufferPointer(rebasing: block[rows...]))
    }
    mode = .scanning
    let descent: StaticString = "http://schemas.microsoft.com/office/spreadsheetml/2009/9/ac"
    scanner = RowScanner(knowsDescent: parser.hasPrefix("x14ac", for: descent), limits: limits)
    try scan(block[rows...])
  }

  private func endOfFirst(_ tag: StaticString, in block: UnsafeRawBufferPointer) -> Int? {
    let count = tag.utf8CodeUnitCount
    guard block.count >= count, let base = block.baseAddress else { return nil }
    return (0...(block.count - count)).first { memcmp(base + $0, tag.utf8Start, count) == 0 }.map { $0 + count }
  }

  private func scan(_ bytes: Slice<UnsafeRawBufferPointer>) throws {
    unscanned.append(UnsafeRawBufferPointer(rebasing: bytes).bindMemory(to: UInt8.self))
    unscanned.append(repeating: 0, count: RowScanner.padding)
    unscanned.truncate(to: unscanned.count - RowScanner.padding)
    let (bytesRead, isUnusual) = scanner!.scan(unscanned.view, into: &walk.pointee)
    parser.bytesSkipped += bytesRead
    unscanned.removeFirst(bytesRead)
    if isUnusual || unscanned.count > Self.rowBytesMax { try leaveToParser() }
  }

  private func leaveToParser() throws {
    mode = .parsing
    try parser.feed(UnsafeRawBufferPointer(unscanned.view))
    unscanned.removeAll()
  }

  /// A row longer than that is left to the parser, which needs no row whole.
  private static let rowBytesMax = 4 << 20

  private func problem(_ failure: XMLFailure) -> Problem {
    var place = [fileName, "sheet \"\(sheet.name)\""]
    guard let problem = walk.pointee.problem else { return Problem(.failed, at: place, failure.sentence) }
    if let cell = problem.cell { place.append(cell) }
    return Problem(.failed, at: place, problem.what)
  }
}
