import CXML
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

  init(_ sheet: WorkbookOutline.Sheet, of workbook: WorkbookPackage) throws {
    self.sheet = sheet
    fileName = workbook.fileName
    strings = try workbook.sharedStrings()
    part = try workbook.parts.open(sheet.part)
    walk = .allocate(capacity: 1)
    walk.initialize(
      to: SheetWalk(
        limits: workbook.parts.limits, strings: strings.table, meanings: workbook.formats.meanings,
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
    walk.pointee.deallocate()
    walk.deinitialize(count: 1)
    walk.deallocate()
  }

  /// The cells read and not yet removed. What lies in it moves when more is read.
  var page: SheetPage { walk.pointee.page }

  func removePage() { walk.pointee.page.removeAll() }

  var hiddenRows: Int { walk.pointee.hiddenRows }
  var hiddenColumns: Int { walk.pointee.hiddenColumns }
  /// Complete once the sheet is finished, for they stand behind the cells.
  var mergedRanges: [MergedRange] { walk.pointee.mergedRanges }

  /// Reads on, adding to the page; false at the end of the sheet, when all of it was found right.
  func readMore() throws -> Bool {
    guard !isFinished else { return false }
    do {
      guard let block = try part.next() else {
        try parser.finish()
        isFinished = true
        return false
      }
      try parser.feed(block)
      return true
    } catch let failure as XMLFailure {
      throw problem(failure)
    }
  }

  private func problem(_ failure: XMLFailure) -> Problem {
    var place = [fileName, "sheet \"\(sheet.name)\""]
    guard let problem = walk.pointee.problem else { return Problem(.failed, at: place, failure.sentence) }
    if let cell = problem.cell { place.append(cell) }
    return Problem(.failed, at: place, problem.what)
  }
}
