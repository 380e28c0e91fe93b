internal import Synchronization
package import VarveTables

/// Turns the batches of one column into a chunk. Memory: the compressed pages, the dictionary and the open page.
///
/// The bytes depend on the values and the options alone, not on how the values were cut into batches. A column starts
/// with a dictionary; it is given up when it does not pay on the first page, or when it grows too large.
///
/// Sendable, so that it can be handed from thread to thread; two calls at once are a programmer's error, and trap.
package final class ColumnChunkEncoder: @unchecked Sendable {
  package let type: DataType
  package private(set) var rowCount = 0
  private var nullCount = 0

  private let options: ParquetOptions
  private let values: any PageValues
  private let pages: PageWriter
  private let pageRowsMax: Int
  private var pageRows = 0
  private var pageNulls = 0
  /// Definition levels of the open page, once a batch with nulls came; before that all are 1.
  private let levels = ByteBuffer()
  private var isFinished = false
  private let isBusy = Atomic(false)

  package init(type: DataType, options: ParquetOptions = ParquetOptions()) {
    self.type = type
    self.options = options
    values = pageValues(of: type, options)
    pages = PageWriter(options.compression)
    pageRowsMax = min(options.pageRowsMax, values.rowsMax)
  }

  /// What the chunk will take about, if it is finished now.
  package var byteCount: Int { pages.byteCount + values.openByteCount }

  package func append(_ column: Column) {
    enter()
    defer { leave() }
    precondition(!isFinished, "a finished chunk takes no more rows")
    precondition(
      column.type.storage == type.storage, "a column of \(column.type.name) does not fit a chunk of \(type.name)")
    let rows = column.count
    precondition(column.validity.isEmpty || column.validity.count == rows, "a column has one validity per row")
    column.validity.withUnsafeBufferPointer { validity in
      // Every row has a value: so say it by the absence of the array.
      let isWhole = !validity.contains(false)
      var row = 0
      while row < rows {
        let some = min(rows - row, pageRowsMax - pageRows)
        let taken = values.add(column.values, validity: isWhole ? nil : validity.baseAddress, row..<row + some)
        if !isWhole || levels.count > 0 {
          addLevels(isWhole ? nil : UnsafeBufferPointer(rebasing: validity[row..<row + taken]), count: taken)
        }
        pageRows += taken
        row += taken
        if taken < some || pageRows == pageRowsMax { closePage(isLast: false) }
      }
    }
    rowCount += rows
  }

  /// The chunk; the encoder is done with.
  package func finish() -> ColumnChunk {
    enter()
    defer { leave() }
    precondition(!isFinished, "a chunk is finished once")
    isFinished = true
    if pageRows > 0 || rowCount == 0 { closePage(isLast: true) }
    let dictionary = values.dictionaryPage()
    var bytes: [UInt8] = []
    if let dictionary { bytes = pages.dictionaryPage(dictionary.page, valueCount: dictionary.valueCount) }
    let dataPageOffset = bytes.count
    pages.appendPages(to: &bytes)
    return ColumnChunk(
      bytes: bytes,
      metadata: ColumnChunkMetadata(
        type: type, rowCount: rowCount, nullCount: nullCount, byteCount: bytes.count,
        byteCountUncompressed: pages.byteCountUncompressed, bounds: values.bounds, dataPageOffset: dataPageOffset,
        dictionaryPageOffset: dictionary == nil ? nil : 0, codec: pages.codec, encodings: pages.encodings,
        pageCounts: pages.pageCounts))
  }

  private func addLevels(_ validity: UnsafeBufferPointer<Bool>?, count: Int) {
    if levels.count == 0 {
      levels.reserve(pageRows).initializeMemory(as: UInt8.self, repeating: 1, count: pageRows)
      levels.advance(pageRows)
    }
    let target = levels.reserve(count).assumingMemoryBound(to: UInt8.self)
    if let validity {
      var valid = 0
      for row in 0..<count {
        target[row] = validity[row] ? 1 : 0
        valid += validity[row] ? 1 : 0
      }
      pageNulls += count - valid
    } else {
      target.update(repeating: 1, count: count)
    }
    levels.advance(count)
  }

  private func closePage(isLast: Bool) {
    guard pageRows > 0 || isLast else { return values.leaveDictionary() }
    pages.dataPage(valueCount: pageRows) { body in
      // Levels stand behind their length (page version 1).
      let start = body.count
      body.append(UInt32(0))
      if pageNulls == 0 {
        HybridRuns.encodeRun(of: 1, count: pageRows, into: body)
      } else {
        HybridRuns.encode(levels.values(of: UInt8.self), bitWidth: 1, into: body)
      }
      body.base.storeBytes(
        of: UInt32(body.count - start - 4).littleEndian, toByteOffset: start, as: UInt32.self)
      return values.encodePage(into: body, isLast: isLast)
    }
    nullCount += pageNulls
    pageRows = 0
    pageNulls = 0
    levels.removeAll()
  }

  private func enter() {
    precondition(!isBusy.exchange(true, ordering: .acquiring), "a column chunk encoder is used by two threads at once")
  }

  private func leave() { isBusy.store(false, ordering: .releasing) }
}
